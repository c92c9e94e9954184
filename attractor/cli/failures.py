"""Turns an error into the one line, the JSON and the exit code that answer it."""

from dataclasses import dataclass

import click

from attractor.base.errors import AttractorError, ExitCode


@dataclass(frozen=True)
class Failure:
    """What a person or a program is told of an error."""

    kind: str
    message: str
    hint: str
    exit_code: ExitCode

    def line(self) -> str:
        """Return it for a person."""
        return f"error: {self.message}" + (f" ({self.hint})" if self.hint else "")

    def record(self) -> dict[str, object]:
        """Return it for a program."""
        told = {"kind": self.kind, "message": self.message, "hint": self.hint}
        return {"error": {**told, "exit_code": int(self.exit_code)}}


def describe_failure(error: BaseException) -> Failure:
    """Say what happened, what to do next and which exit code belongs to it."""
    match error:
        case AttractorError():
            return Failure(type(error).__name__, error.message, error.hint, error.exit_code)
        case click.ClickException():
            return Failure("UsageError", _one_line(error), _usage_hint(error), ExitCode.USAGE)
        case KeyboardInterrupt() | click.Abort():
            return Failure("Interrupted", "interrupted", "", ExitCode.INTERRUPTED)
        case OSError():
            told = f"the machine refused: {error}"
            hint = "look at disk, permissions and open files"
            return Failure("MachineryError", told, hint, ExitCode.UNFINISHED)
        case _:
            words = " ".join(str(error).split())
            told = f"this is a defect of attractor: {type(error).__name__}: {words}"
            hint = "run it again with --debug and report the traceback"
            return Failure("Defect", told, hint, ExitCode.FAILED)


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
