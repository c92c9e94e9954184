"""Turns an error into the one line, the JSON and the exit code that answer it."""

import errno
from collections.abc import Mapping
from dataclasses import field

import click

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ExitCode

LONGEST_NAME = 100


@dataclass(frozen=True)
class Failure:
    """What a person or a program is told of an error."""

    kind: str
    message: str
    hint: str
    exit_code: ExitCode
    details: Mapping[str, object] = field(default_factory=dict[str, object])

    def line(self) -> str:
        """Return it for a person."""
        return f"error: {self.message}" + (f" ({self.hint})" if self.hint else "")

    def record(self) -> dict[str, object]:
        """Return it for a program."""
        told = {"kind": self.kind, "message": self.message, "hint": self.hint}
        return {"error": {**told, "exit_code": int(self.exit_code), **self.details}}


def describe_failure(error: BaseException) -> Failure:
    """Say what happened, what to do next and which exit code belongs to it."""
    match error:
        case AttractorError():
            kind, hint = type(error).__name__, error.hint
            return Failure(kind, error.message, hint, error.exit_code, error.details)
        case click.ClickException():
            return Failure("UsageError", _one_line(error), _usage_hint(error), ExitCode.USAGE)
        case KeyboardInterrupt() | click.Abort():
            return Failure("Interrupted", "interrupted", "", ExitCode.INTERRUPTED)
        case OSError(errno=errno.ENAMETOOLONG):
            told = f"the name of a file is too long: {_begun(str(error.filename or ''))}"
            return Failure("UsageError", told, "choose a shorter one", ExitCode.USAGE)
        case OSError():
            told = f"the machine refused: {error}"
            hint = "look at disk, permissions and open files"
            return Failure("MachineryError", told, hint, ExitCode.UNFINISHED)
        case _:
            words = " ".join(str(error).split())
            told = f"this is a defect of attractor: {type(error).__name__}: {words}"
            hint = "run it again with --debug and report the traceback"
            return Failure("Defect", told, hint, ExitCode.FAILED)


def _begun(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _one_line(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption):
        return f"no such option: {error.option_name}"
    message = " ".join(error.format_message().split()).rstrip(".")
    return message[:1].lower() + message[1:]


def _usage_hint(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption) and error.option_name == "--json":
        return "it stands behind the command"
    if isinstance(error, click.NoSuchOption) and error.possibilities:
        return f"did you mean {' or '.join(sorted(error.possibilities))}?"
    context = getattr(error, "ctx", None)
    return f"see '{context.command_path if context else 'attractor'} --help'"
