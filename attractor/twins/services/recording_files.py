"""A file of recordings of a service that grows while a twin records."""

from pathlib import Path

from attractor.base.files import file_trouble
from attractor.twins.line_files import add_line, mend_lines, whole_lines
from attractor.twins.services.errors import RecordingError
from attractor.twins.services.recordings import Exchange, parse_recording, written_exchange

_ENDING = ".jsonl"
_BEGINNING = b'{"request": '


class ExchangeFile:
    """Takes exchanges as they come; each is there whole or not at all."""

    def __init__(self, path: Path) -> None:
        """Look at what is there already, so that trouble shows before anything is asked."""
        self.path = path
        if path.suffix != _ENDING:
            hint = f"name a file that ends in {_ENDING}, such as recordings/NAME{_ENDING}"
            raise RecordingError(f"{path} is no name of a file of recordings", hint=hint)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                _require_recordings(path)
                mend_lines(path, _is_torn)
        except OSError as cause:
            raise file_trouble("write", path, cause) from cause

    def add(self, exchange: Exchange) -> None:
        """Keep an exchange behind the others."""
        add_line(self.path, written_exchange(exchange))


def _require_recordings(path: Path) -> None:
    """Leave a file of something else as it is."""
    text = b"\n".join(whole_lines(path.read_bytes(), _is_torn))
    if text.strip():
        try:
            parse_recording(text.decode(), source=str(path))
        except UnicodeDecodeError as cause:
            raise RecordingError(f"{path} is not UTF-8: {cause}") from cause


def _is_torn(line: bytes) -> bool:
    """Tell whether a line is the beginning of an exchange, and of nothing else."""
    if not line or not _BEGINNING.startswith(line[: len(_BEGINNING)]):
        return False
    try:
        parse_recording(line.decode())
    except (RecordingError, UnicodeDecodeError):
        return True
    return False
