"""The entry point: runs one command; prints an error as one line or as JSON."""

import atexit
import errno
import gc
import os
import signal
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field
from pathlib import Path
from types import FrameType
from typing import TextIO

import click

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ExitCode, UsageError
from attractor.base.patterns import late_pattern
from attractor.base.registry import install_again
from attractor.cli.invocation import PROGRAM, Invocation, build_root
from attractor.cli.output.streams import OutputLost, close_if_broken, flush, show, show_json
from attractor.cli.synonyms import find_option

COMPLETION_VARIABLE = "_ATTRACTOR_COMPLETE"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    # Python's garbage collection at exit takes a tenth of the time of most commands.
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    arguments = list(sys.argv[1:] if argv is None else argv)
    invocation = Invocation(owns_process=argv is None)
    # pydantic asks every distribution for plugins and fails at a damaged one. Child processes keep
    # their environment: it was copied before.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    with _sigterm_as_interrupt():
        try:
            # A copy: a parse error is checked for --json in the original arguments.
            code = _run(list(arguments), invocation)
            flush(sys.stdout)
        except BrokenPipeError:
            code = ExitCode.DONE
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - every error ends here
            code = _answer(error, arguments, debug=invocation.debug)
    close_if_broken(sys.stdout)
    close_if_broken(sys.stderr)
    return code


def _run(arguments: list[str], invocation: Invocation) -> int:
    root = build_root()
    instruction = invocation.environ.get(COMPLETION_VARIABLE)
    if instruction:
        from click.shell_completion import shell_complete

        try:
            return shell_complete(
                root, {"obj": invocation}, PROGRAM, COMPLETION_VARIABLE, instruction
            )
        except (KeyError, ValueError) as error:
            words = f"invalid completion request from the shell: {error}"
            raise UsageError(words, hint="see 'attractor completion --help'") from error
    try:
        with root.make_context(PROGRAM, arguments, obj=invocation) as context:
            return root.invoke(context) or ExitCode.DONE
    except click.exceptions.Exit as end:
        return end.exit_code


def _answer(error: BaseException, arguments: list[str], *, debug: bool) -> int:
    """Print an error and return the exit status of the error, even if the output is closed."""

    failure = describe_failure(error)
    # With --json, an error on a shared terminal or file is printed as JSON only.
    is_only_json = "--json" in _options(arguments) and _is_one_file(sys.stdout, sys.stderr)
    with suppress(OSError):
        if debug or "--debug" in _options(arguments):
            import traceback

            show("".join(traceback.format_exception(error)).rstrip(), err=True)
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            show(error.format_message(), err=True)
        elif not is_only_json:
            show(failure.line(), err=True)
    with suppress(OSError, OutputLost):
        if "--json" in _options(arguments):
            show_json(failure.record(), is_line=True)
    return failure.exit_code


def _is_one_file(*streams: TextIO | None) -> bool:
    """Return whether two streams are the same open file, such as a terminal."""
    try:
        first, second = (os.fstat(stream.fileno()) for stream in streams if stream)
    except (OSError, ValueError):
        return False
    return os.path.samestat(first, second) and not os.path.samestat(first, Path(os.devnull).stat())


def _options(arguments: list[str]) -> list[str]:
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


@contextmanager
def _sigterm_as_interrupt() -> Generator[None]:
    """Handle SIGTERM like Ctrl-C: clean up and exit with 130."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted, ended = threading.Event(), threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        # Imported here, because few commands are ended so.
        import logging

        # A thread that waits for a child of the closed event loop would complain.
        logging.getLogger("asyncio").disabled = True
        _interrupt(number, frame)

    def report_unraisable(lost: "sys.UnraisableHookArgs", /) -> None:
        if isinstance(lost.exc_value, KeyboardInterrupt):
            # Python dropped the interrupt, because it came in a destructor: repeat it.
            threading.Timer(0.01, _repeat, (ended,)).start()
        elif not interrupted.is_set():
            hook(lost)

    hook, sys.unraisablehook = sys.unraisablehook, report_unraisable
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        ended.set()
        # An interrupted event loop is closed at exit, and may complain.
        if not interrupted.is_set():
            sys.unraisablehook = hook
        # A command that is already shutting down ignores further signals.
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, before)


def _repeat(ended: threading.Event) -> None:
    if not ended.is_set():
        os.kill(os.getpid(), signal.SIGTERM)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # The current handler of Ctrl-C stops the work: the handler of asyncio cancels its task.
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        raise KeyboardInterrupt
    handler(signal.SIGINT, frame)


LONGEST_NAME = 100


@dataclass(frozen=True)
class Failure:
    """The description of an error for people and programs."""

    kind: str
    message: str
    hint: str
    exit_code: ExitCode
    details: Mapping[str, object] = field(default_factory=dict[str, object])

    def line(self) -> str:
        """Return the error as one line for people; each of several mistakes in a file is a line.

        The alternatives of a hint are a list below.
        """
        first_way, *other_ways = self.hint.split("\n")
        hint = f" ({first_way})" if first_way and not other_ways else ""
        first, *more = f"error: {self.message}{hint}".split("\n")
        if self.exit_code is ExitCode.USAGE and not first.endswith(":"):
            more = [line if line.startswith("and ") else f"error: {line}" for line in more]
        ways = [f"  {way}" for way in (first_way, *other_ways)] if other_ways else []
        return "\n".join([first, *more, *ways])

    def record(self) -> dict[str, object]:
        """Return the error as a JSON object."""
        record = {"kind": self.kind, "message": self.message, "hint": self.hint}
        return {"error": {**record, "exit_code": int(self.exit_code), **self.details}}


def describe_failure(error: BaseException) -> Failure:
    """Return the message, hint and exit status of an error."""
    match error:
        case AttractorError():
            kind, hint = type(error).__name__, error.hint
            return Failure(kind, error.message, hint, error.exit_code, error.details)
        case click.ClickException():
            return Failure("UsageError", _one_line(error), _usage_hint(error), ExitCode.USAGE)
        case KeyboardInterrupt() | click.Abort() | RuntimeError(__cause__=KeyboardInterrupt()):
            return Failure("Interrupted", "interrupted", "", ExitCode.INTERRUPTED)
        case ImportError():
            message = f"the installation is incomplete: {error}"
            return Failure("Defect", message, install_again(), ExitCode.FAILED)
        case OSError(errno=errno.ENAMETOOLONG):
            message = f"file name too long: {_begun(str(error.filename or ''))}"
            return Failure("UsageError", message, "choose a shorter name", ExitCode.USAGE)
        case OSError():
            message = f"system error: {error}"
            hint = "check disk space, permissions and open files"
            return Failure("MachineryError", message, hint, ExitCode.UNFINISHED)
        case _:
            words = " ".join(str(error).split())
            message = f"internal error: {type(error).__name__}: {words}"
            hint = "run it again with --debug and report the traceback"
            return Failure("Defect", message, hint, ExitCode.FAILED)


def _begun(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _one_line(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption):
        return f"unknown option {error.option_name}"
    message = " ".join(error.format_message().split()).rstrip(".")
    message = _A_RANGE.sub(lambda found: _KINDS[found[1]], message)
    return message[:1].lower() + message[1:]


_A_RANGE = late_pattern(r"is not a valid (float|integer)(?: range)?")
_KINDS = {"float": "is not a number", "integer": "is not a whole number"}


def _usage_hint(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption) and error.option_name == "--json":
        return "write it after the command"
    is_option = isinstance(error, click.NoSuchOption)
    if is_option and error.ctx and (meant := find_option(error.option_name, error.ctx.command)):
        return meant
    if is_option and error.possibilities:
        return f"did you mean {' or '.join(sorted(error.possibilities))}?"
    context = getattr(error, "ctx", None)
    return f"see '{context.command_path if context else 'attractor'} --help'"
