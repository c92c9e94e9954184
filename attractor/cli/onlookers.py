"""Who looks on while a command walks a run: a person at a terminal, a log file, a program."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, TextIO

from attractor.base.clock import SystemClock
from attractor.base.events import Event
from attractor.cli.invocation import Invocation
from attractor.cli.json_lines import JsonLines
from attractor.cli.progress import print_event
from attractor.cli.tracing import tracing_of

_NO_TERMINALS = ("", "dumb", "unknown")


class Onlooker(Protocol):
    """Is told of every event of a run and its children, from any thread, between begin and end."""

    def begin(self, root: Path | None) -> None:
        """Get ready; a run that goes on lies in this directory."""
        ...

    def __call__(self, event: Event) -> None:
        """Take note of an event; whoever needs time for it takes that elsewhere."""
        ...

    def end(self) -> None:
        """Say the last of it."""
        ...


class Lines:
    """Prints a line for each thing worth a line."""

    def begin(self, root: Path | None) -> None:
        """Nothing is to be done."""

    def __call__(self, event: Event) -> None:
        """Print the line of an event, if it has one."""
        print_event(event)

    def end(self) -> None:
        """Nothing is left."""


def onlookers_of(invocation: Invocation, *, as_json: bool) -> tuple[Sequence[Onlooker], TextIO]:
    """Return who looks on, and the stream to ask people on."""
    runs_dir = invocation.configuration.settings.runs_dir
    found: list[Onlooker] = [*tracing_of(invocation)]
    if as_json:
        found.append(JsonLines(runs_dir))
    if not wants_picture(invocation.environ, sys.stderr):
        return [Lines(), *found], sys.stderr
    if as_json and sys.stdout.isatty():
        # Both are one terminal: the events say it all, and a picture would be torn by them.
        return found, sys.stderr
    # Drawing takes a library that is not loaded for anything else.
    from attractor.cli.live.display import LiveDisplay, console_for

    console = console_for(sys.stderr, invocation)
    display = LiveDisplay(console, SystemClock().now, runs_dir=runs_dir)
    return [display, *found], display.output


def wants_picture(environ: Mapping[str, str], stream: TextIO | None) -> bool:
    """Tell whether a run can be drawn on a stream: on a terminal that can move its cursor."""
    is_terminal = stream is not None and stream.isatty()
    return is_terminal and environ.get("TERM", "") not in _NO_TERMINALS
