"""Who looks on while a command walks a run: a person at a terminal, a log file, a program.

Prints a run for a program: a line of JSON for each event, and one for how it came to rest.
"""

import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, TextIO

from attractor.base.clock import SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ExitCode
from attractor.base.events import Event
from attractor.base.journal import TornLine, read_lines, read_torn
from attractor.base.json import canonical_json
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.progress import print_event
from attractor.cli.runs.results import as_record, look_ahead, show_result
from attractor.cli.runs.setup import tracing_of
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult


class JsonLines:
    """Prints what is written into the journal of a run from now on, and what its children do.

    The lines of the run are read from its journal, so that none is left out for a slow reader. When
    another run goes on in its place, that one's lines follow.
    """

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._root: Path | None = None
        self._told: dict[str, _Told] = {}
        self._has_heard = False
        self._turn = threading.Lock()

    def begin(self, root: Path | None) -> None:
        """Note where the run is kept, and how much of it was told before."""
        self._root = root
        # What can't be read is told by whoever goes on with the run.
        with suppress(AttractorError):
            if root is not None and (root / "manifest.json").exists():
                directory = RunDirectory(root)
                told = _Told(directory.events, end_of_lines(directory.events))
                self._told[read_manifest(directory).run_id] = told

    def __call__(self, event: Event) -> None:
        """Print what is new."""
        with self._turn:
            self._has_heard = True
            # What is about a child has the child's name for a branch.
            if event.branch is None and event.run_id not in self._told:
                self._told[event.run_id] = self._begun(event.run_id)
            if event.run_id in self._told:
                self._told[event.run_id].tell_new()
            else:
                show(canonical_json(event.to_record()))

    def end(self) -> None:
        """Print what is left; of a run that was refused, nothing was ours."""
        with self._turn:
            if not self._has_heard:
                return
            for one in self._told.values():
                one.tell_new()

    def _begun(self, run_id: str) -> "_Told":
        """Return the journal of a run that began just now: the first one's place may be given."""
        given = None if self._told else self._root
        root = given or self._runs_dir / run_id
        return _Told(RunDirectory(root).events, 0)


@dataclass
class _Told:
    """A journal, and up to where it was printed."""

    journal: Path
    offset: int

    def tell_new(self) -> None:
        if not self.journal.exists():
            return
        for line in read_lines(self.journal, offset=self.offset):
            show(line.content.decode())
            self.offset = line.end


def end_of_lines(journal: Path) -> int:
    """Return the byte after the last whole line of a journal."""
    torn = read_torn(journal) if journal.exists() else TornLine(0, b"")
    return torn.offset if torn else journal.stat().st_size


def show_end(
    result: RunResult, runs_dir: Path, *, as_json: bool, more: Mapping[str, object] | None = None
) -> ExitCode:
    """Print how a run came to rest: for a person, or as the last line for a program."""
    if not as_json:
        return show_result(result, runs_dir, as_json=False)
    record = as_record(result, look_ahead(result, runs_dir))
    show_json({**record, **(more or {})}, is_line=True)
    return result.exit_code


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


class EventPrinter:
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
        return [EventPrinter(), *found], sys.stderr
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
