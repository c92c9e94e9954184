"""The live display: folds events into a state, and draws this state at intervals."""

import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack, redirect_stderr, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TextIO, cast

from rich.console import Console, Group
from rich.text import Text

from attractor.base.clock import SystemClock
from attractor.base.errors import AttractorError, ExitCode
from attractor.base.events import Event
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import printable, wants_color
from attractor.cli.runs.live.render import DisplaySize, LastLines, render
from attractor.cli.runs.live.state import RunView, fold
from attractor.cli.runs.live.terminal import DrawnTerminal, TerminalStream
from attractor.cli.runs.status import as_text
from attractor.language.source.text import visible
from attractor.pipeline.status import RunStatusView
from attractor.records.event_lines import ALWAYS_PRINTED, describe_event
from attractor.records.lookup import read_run

TIMES_A_SECOND = 8
"""The maximum number of drawings per second."""

MOMENT_S = 0.1
"""The maximum delay in seconds of the event that announces a question."""

_ASKED = ("InterviewStarted", "QuestionAsked")

_OVER = (
    "QuestionSettled",
    "InterviewCompleted",
    "InterviewTimeout",
    "StageCompleted",
    "StageFailed",
    "StageParked",
)
"""Events after which a question at the terminal may be closed."""


def console_for(stream: TextIO, invocation: Invocation) -> Console:
    """Return the console of a terminal, with colors if they are wanted."""
    choice = invocation.configuration.settings.output.color
    has_color = wants_color(choice, invocation.environ, stream)
    return Console(file=stream, no_color=not has_color, highlight=False, force_terminal=True)


class LiveDisplay:
    """Draws the state of one run at the bottom of a terminal.

    Events come from any thread and are only folded into the state; a separate thread draws. While a
    person is asked at the terminal, nothing is drawn: questions are written to `output`. From begin
    to end, standard error is written above the drawing.
    """

    def __init__(
        self, console: Console, now: Callable[[], datetime], *, runs_dir: Path | None = None
    ) -> None:
        self._now = now
        self._runs_dir = runs_dir
        self._root: Path | None = None
        self._places: dict[str, Path] = {}
        self._tails = LastLines()
        self._console = console
        self._terminal = DrawnTerminal(console)
        stream = cast("TextIO", console.file)
        self.output = cast("TextIO", TerminalStream(stream, self._ask))
        self._notices = cast("TextIO", TerminalStream(stream, self._terminal.write))
        self._redirection = ExitStack()
        self._view = RunView()
        self._folding = threading.Lock()
        self._drawing = threading.RLock()
        self._aside_since: datetime | None = None
        self._is_asking = threading.Event()
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="live display", daemon=True)

    def begin(self, root: Path | None) -> None:
        """Fold the existing journal of a resumed run and start drawing."""
        self._root = root
        self._redirection.enter_context(redirect_stderr(self._notices))
        # The resume itself reports unreadable files.
        with suppress(AttractorError):
            if root is not None and (root / "manifest.json").exists():
                self._take_in(root)
        self._ticker.start()

    def __call__(self, event: Event) -> None:
        """Handle an event."""
        if event.type in ALWAYS_PRINTED:
            self._say(describe_event(event))
        with self._folding:
            if not self._view.run_id:
                self._take_in_before(event)
            self._view = fold(self._view, event)
            if event.type in _ASKED:
                self._is_asking.set()
            elif event.type in _OVER:
                self._come_back(event.time)

    def _say(self, line: str) -> None:
        """Print a line above the display."""
        try:
            self._terminal.write(f"{printable(line)}\n")
        except OSError:
            self._over.set()

    def _come_back(self, at: datetime) -> None:
        """Resume drawing if no question is open at a given time."""
        if any(not one.is_parked for one in self._view.questions.values()):
            return
        self._is_asking.clear()
        # A new question may be asked before the last one is known to be closed: compare times.
        if self._aside_since and at >= self._aside_since:
            self._aside_since = None

    def end(self) -> None:
        """Draw a last time and restore the terminal."""
        self._over.set()
        if self._ticker.ident is not None:
            self._ticker.join()
        with self._drawing:
            if not self._aside_since and self._view.run_id:
                self._draw()
            self._take_down()
        self._redirection.close()

    def _take_in(self, root: Path) -> None:
        for event in read_run(root).events():
            self._view = fold(self._view, event)
        self._place(self._view.run_id)
        # Stages of the previous process are not running any more.
        self._view = replace(self._view, at_work={}, questions={}, reason="")

    def _take_in_before(self, event: Event) -> None:
        """Fold events written before the first received event, such as a fork's first events."""
        root = self._place(event.run_id)
        with suppress(AttractorError):
            for one in read_run(root).events() if root and event.seq > 1 else ():
                if one.seq >= event.seq:
                    return
                self._view = fold(self._view, one)

    def _place(self, run_id: str) -> Path | None:
        """Return the directory of a run.

        Only the directory of the first run can be set by an option.
        """
        if run_id not in self._places:
            given = None if self._places else self._root
            root = given or (self._runs_dir / run_id if self._runs_dir else None)
            if root is not None:
                self._places[run_id] = root
                self._tails.know(run_id, root)
        return self._places.get(run_id)

    def _tick(self) -> None:
        while not self._over.wait(1 / TIMES_A_SECOND):
            with self._drawing:
                if not self._aside_since and self._view.run_id:
                    self._draw()

    def _ask(self, text: str) -> None:
        """Write a part of a question below the last drawing."""
        if self._aside_since is None:
            # The last drawing then shows the state that led to the question.
            self._is_asking.wait(MOMENT_S)
        with self._drawing:
            is_new, self._aside_since = self._aside_since is None, self._now()
            if is_new and (self._terminal.is_drawn or self._is_asking.is_set()):
                self._draw()
            self._take_down()
            self._terminal.write(text)

    def _draw(self) -> None:
        try:
            self._terminal.draw(self._picture())
        except OSError:
            # The terminal was closed.
            self._over.set()

    def _take_down(self) -> None:
        try:
            self._terminal.leave()
        except OSError:
            self._over.set()

    def _picture(self) -> Group:
        width, height = self._console.size
        is_ascii = not self._console.encoding.startswith("utf")
        view = self._view
        if self._place(view.run_id):
            view = self._tails.seen(view)
        if self._aside_since:
            # The interviewer prints the question itself.
            view = replace(view, questions={})
        return Group(*render(view, self._now(), DisplaySize(width, height, is_ascii)))


def paint(status_changes: Iterable[RunStatusView], invocation: Invocation) -> ExitCode:
    """Draw each state over the previous one; the last state remains visible."""
    console = console_for(sys.stdout, invocation)
    terminal = DrawnTerminal(console)
    code, now, drawn = ExitCode.DONE, SystemClock().now, None
    try:
        for one in status_changes:
            code = one.summary.trouble_code
            picture = painted(one, now())
            if picture != drawn:
                terminal.draw(picture)
            drawn = picture
    finally:
        terminal.leave()
    return code


def painted(status: RunStatusView, now: datetime) -> Text:
    """Return a status as text with escaped control characters."""
    lines = (visible(line) for line in as_text(status, now).split("\n"))
    return Text("\n".join(lines), overflow="crop", no_wrap=True)
