"""What the server says on standard error, which editors keep in a log: a line for each defect."""

import logging

from pygls.exceptions import JsonRpcException


class _OneLine(logging.Formatter):
    """Writes what happened without a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        what = record.getMessage().partition("\n")[0]
        error = _error_of(record)
        why = f": {type(error).__name__}: {' '.join(str(error).split())}" if error else ""
        return f"attractor lsp: {what}{why}"


def log_in_lines() -> None:
    """Let the libraries say errors in one line each; what was refused is answered already."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.ERROR)
    handler.setFormatter(_OneLine())
    handler.addFilter(lambda record: not isinstance(_error_of(record), JsonRpcException))
    for name in ("pygls", "asyncio"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.propagate = False


def _error_of(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None
