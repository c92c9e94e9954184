"""The program `attractor`: it runs one command and ends with an exit code."""

import signal
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation
from attractor.cli.output import close_quietly, show, show_json
from attractor.cli.root import PROGRAM, build_root

COMPLETION_VARIABLE = "_ATTRACTOR_COMPLETE"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    invocation = Invocation()
    with _terminated_like_interrupted():
        try:
            code = _run(arguments, invocation)
        except BrokenPipeError:
            code = ExitCode.DONE
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - every error ends here
            code = _answer(error, arguments, debug=invocation.debug)
    _flush()
    return code


def _run(arguments: list[str], invocation: Invocation) -> int:
    root = build_root()
    instruction = invocation.environ.get(COMPLETION_VARIABLE)
    if instruction:
        return _complete(root, instruction)
    try:
        with root.make_context(PROGRAM, arguments, obj=invocation) as context:
            return root.invoke(context) or ExitCode.DONE
    except click.exceptions.Exit as end:
        return end.exit_code


def _complete(root: click.Group, instruction: str) -> int:
    from click.shell_completion import shell_complete

    return shell_complete(root, {}, PROGRAM, COMPLETION_VARIABLE, instruction)


def _answer(error: BaseException, arguments: list[str], *, debug: bool) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        show(error.format_message(), err=True)
        return ExitCode.USAGE
    from attractor.cli.failures import describe_failure

    failure = describe_failure(error)
    if debug:
        import traceback

        show("".join(traceback.format_exception(error)).rstrip(), err=True)
    if _asks_for_json(arguments):
        show_json(failure.record())
    show(failure.line(), err=True)
    return failure.exit_code


def _asks_for_json(arguments: list[str]) -> bool:
    # Looked up in the words themselves: the error may be that they could not be parsed.
    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in words


@contextmanager
def _terminated_like_interrupted() -> Generator[None]:
    """Let SIGTERM end the program as Ctrl-C does: tidily, with 130."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _flush() -> None:
    try:
        with suppress(ValueError):
            sys.stdout.flush()
    except BrokenPipeError:
        close_quietly(sys.stdout)
