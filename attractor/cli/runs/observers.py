"""Observers of a run: print the run's events for people or as JSON, or draw the live display."""

import asyncio
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TextIO

from attractor.base.clock import SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, ExitCode
from attractor.base.events import Event
from attractor.base.journal import TornLine, read_lines, read_torn
from attractor.base.json import canonical_json
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import can_draw_live, show, show_json
from attractor.cli.runs.results import NextStepFacts, as_record, as_text, read_next_step_facts
from attractor.cli.runs.transcripts import entry_lines, painter
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.diffstat import read_diffstat
from attractor.records.event_lines import ALWAYS_PRINTED, describe_event
from attractor.records.tracing.begin import begin_tracing
from attractor.records.tracing.settings import Traced
from attractor.records.transcript import EntryKind, TranscriptReader, read_entry


class JsonLinePrinter:
    """Prints new journal lines of a run, and events of child runs.

    Lines are read from the journal, so that a slow reader misses no line. If the run restarts as a
    new run, the lines of the new run follow.
    """

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._root: Path | None = None
        self._journals: dict[str, _JournalTail] = {}
        self._has_heard = False
        self._turn = threading.Lock()

    def begin(self, root: Path | None) -> None:
        """Remember the run directory, and skip the lines that the journal already contains."""
        self._root = root
        # The resume itself reports unreadable files.
        with suppress(AttractorError):
            if root is not None and (root / "manifest.json").exists():
                directory = RunDirectory(root)
                tail = _JournalTail(directory.events, end_of_lines(directory.events))
                self._journals[read_manifest(directory).run_id] = tail

    def __call__(self, event: Event) -> None:
        """Print the new lines."""
        with self._turn:
            self._has_heard = True
            # Events about a child have the child's name as branch.
            if event.branch is None and event.run_id not in self._journals:
                is_first = self._root is not None and not self._journals
                beside = self._root.parent if self._root else self._runs_dir
                root = self._root if self._root and is_first else beside / event.run_id
                self._journals[event.run_id] = _JournalTail(RunDirectory(root).events, 0)
            if event.run_id in self._journals:
                self._journals[event.run_id].print_new()
            else:
                show(canonical_json(event.to_record()), is_file=True)

    def end(self) -> None:
        """Print the remaining lines; print nothing for a refused run."""
        with self._turn:
            if not self._has_heard:
                return
            for one in self._journals.values():
                one.print_new()


@dataclass
class _JournalTail:
    """A journal, and the offset of the first line that is not printed yet."""

    journal: Path
    offset: int

    def print_new(self) -> None:
        if not self.journal.exists():
            return
        for line in read_lines(self.journal, offset=self.offset):
            show(line.content.decode(), is_file=True)
            self.offset = line.end


def end_of_lines(journal: Path) -> int:
    """Return the offset after the last complete line of a journal."""
    torn = read_torn(journal) if journal.exists() else TornLine(0, b"")
    return torn.offset if torn else journal.stat().st_size


def read_outlook(result: RunResult, project: Project) -> NextStepFacts:
    """Return the changed files of a run, and the facts that determine the next steps."""
    changes = asyncio.run(read_diffstat(project, result.run_id, result.tree))
    return replace(read_next_step_facts(result, project.runs_dir), changes=changes)


def show_end(
    result: RunResult, project: Project, *, as_json: bool, more: Mapping[str, object] | None = None
) -> ExitCode:
    """Print the result of a run, as text or as the last JSON line."""
    outlook = read_outlook(result, project)
    if not as_json:
        show(as_text(result, outlook))
        return result.exit_code
    record = as_record(result, outlook)
    show_json({**record, **(more or {})}, is_line=True)
    return result.exit_code


class TranscriptPrinter:
    """Prints the transcript of one stage as the agent works.

    Without a live display, which prints them itself, important events are printed too.
    """

    def __init__(self, runs_dir: Path, stage: str, *, is_live: bool, is_colored: bool) -> None:
        self._runs_dir, self._stage, self._is_live = runs_dir, stage, is_live
        self._paint, self._color = painter(is_colored), is_colored or None
        self._reader: TranscriptReader | None = None
        self._turn = threading.Lock()

    def begin(self, root: Path | None) -> None:
        """Do nothing."""

    def __call__(self, event: Event) -> None:
        """Print the new entries of the transcript."""
        with self._turn:
            if self._reader is None:
                folder = RunDirectory(self._runs_dir / event.run_id).stage(self._stage)
                self._reader = TranscriptReader(folder)
            self._print_new(self._reader)
            if event.type in ALWAYS_PRINTED and not self._is_live:
                show(describe_event(event), err=True)

    def end(self) -> None:
        """Print the remaining entries."""
        with self._turn:
            if self._reader:
                self._print_new(self._reader)

    def _print_new(self, reader: TranscriptReader) -> None:
        for record in reader.more():
            entry = read_entry(record)
            if entry and entry.kind is not EntryKind.INPUT:
                show("\n".join(entry_lines(entry, self._paint)), err=True, color=self._color)


class RunObserver(Protocol):
    """Receives every event of a run and its child runs, from any thread."""

    def begin(self, root: Path | None) -> None:
        """Prepare for events; `root` is the directory of a resumed run."""
        ...

    def __call__(self, event: Event) -> None:
        """Handle an event without blocking."""
        ...

    def end(self) -> None:
        """Print remaining output."""
        ...


class EventPrinter:
    """Prints a line for each noteworthy event; while a question is open, lines are held back."""

    def __init__(self) -> None:
        self._turn = threading.RLock()
        self._held: list[Event] | None = None

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold lines back while a person is asked on the same terminal."""
        with self._turn:
            self._held = []
        try:
            yield
        finally:
            with self._turn:
                events, self._held = self._held, None
                for event in events or ():
                    self._print(event)

    def begin(self, root: Path | None) -> None:
        """Do nothing."""

    def __call__(self, event: Event) -> None:
        """Print the line of an event, if any."""
        with self._turn:
            if self._held is None:
                self._print(event)
            else:
                self._held.append(event)

    def end(self) -> None:
        """Do nothing."""

    def _print(self, event: Event) -> None:
        if line := describe_event(event):
            show(line, err=True)


def run_observers(
    invocation: Invocation, *, as_json: bool, stage: str = ""
) -> tuple[Sequence[RunObserver], TextIO]:
    """Return the observers of a run, and the stream for questions.

    With `stage`, the transcript of this stage is printed in place of the events.
    """
    settings = invocation.configuration.settings
    runs_dir, choice = settings.runs_dir, Traced(settings.tracing.enabled)
    tracing = begin_tracing(choice, invocation.environ, lambda words: show(words, err=True))
    found: list[RunObserver] = [tracing] if tracing else []
    if as_json:
        found.append(JsonLinePrinter(runs_dir))
    if stage:
        is_live = can_draw_live(invocation.environ, sys.stderr)
        is_colored = is_live and invocation.color
        found.append(TranscriptPrinter(runs_dir, stage, is_live=is_live, is_colored=is_colored))
    if not can_draw_live(invocation.environ, sys.stderr):
        return found if stage else [EventPrinter(), *found], sys.stderr
    if as_json and sys.stdout.isatty():
        # stdout and stderr share the terminal: event lines would break the display.
        return found, sys.stderr
    # rich is only needed to draw.
    from attractor.cli.runs.live.display import LiveDisplay, console_for

    console = console_for(sys.stderr, invocation)
    display = LiveDisplay(console, SystemClock().now, runs_dir=runs_dir)
    return [display, *found], display.output
