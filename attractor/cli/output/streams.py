"""Writes results for a person or a program; a reader that has gone away is no error."""

import os
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import TextIO

import click

from attractor.base.errors import AttractorError, ExitCode


class OutputLost(AttractorError):
    """What a command has to say cannot be written."""

    exit_code = ExitCode.UNFINISHED
    hint = "the command has done its work; redirect its output and run it again"

    def __init__(self, cause: OSError) -> None:
        super().__init__(f"cannot write to standard output: {cause.strerror or cause}")


class Color(StrEnum):
    """When to colour what is written."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def show(text: str, *, err: bool = False, color: bool | None = None) -> None:
    """Write a line for a person: results to standard output, progress and errors to the other."""
    try:
        click.echo(text, err=err, color=color)
    except BrokenPipeError:
        close_quietly(sys.stderr if err else sys.stdout)
    except OSError as cause:
        if not err:
            raise OutputLost(cause) from cause
        close_quietly(sys.stderr)


def show_json(value: object, *, is_line: bool = False) -> None:
    """Write one JSON value for a program, in letters that every reader can read.

    As a line it may stand behind others, such as events.
    """
    import json

    show(json.dumps(value, indent=None if is_line else 2))


def flush(stream: TextIO | None) -> None:
    """Write out what is waiting; a stream that was never open has nothing to write."""
    if stream is None or stream.closed:
        return
    try:
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as cause:
        raise OutputLost(cause) from cause


def give_up_if_dead(stream: TextIO | None) -> None:
    """Send what can't be written nowhere, so that ending does not fail for it once more."""
    try:
        flush(stream)
    except (OSError, OutputLost):
        close_quietly(stream)


def close_quietly(stream: TextIO | None) -> None:
    """Send what is still written nowhere, so that the command ends as it would."""
    if stream is None:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def wants_color(choice: str, environ: Mapping[str, str], stream: TextIO | None) -> bool:
    """Tell whether a stream gets colour: as chosen, else on a terminal without NO_COLOR."""
    if choice != Color.AUTO:
        return choice == Color.ALWAYS
    if stream is None:
        return False
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
