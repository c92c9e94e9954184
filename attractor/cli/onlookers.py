"""Who looks on while a command walks a run: a person at a terminal, a log file, a program."""

import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
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
    """Prints a line for each thing worth a line; what comes while it is held is printed then."""

    def __init__(self) -> None:
        self._turn = threading.RLock()
        self._held: list[Event] | None = None

    @contextmanager
    def held(self) -> Generator[None]:
        """Print nothing meanwhile: somebody is asked where the lines go."""
        with self._turn:
            self._held = []
        try:
            yield
        finally:
            with self._turn:
                events, self._held = self._held, None
                for event in events or ():
                    print_event(event)

    def begin(self, root: Path | None) -> None:
        """Nothing is to be done."""

    def __call__(self, event: Event) -> None:
        """Print the line of an event, if it has one."""
        with self._turn:
            if self._held is None:
                print_event(event)
            else:
                self._held.append(event)

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
