"""The live display: folds events into a state, and draws this state at intervals."""

import io
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TextIO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from attractor.base.errors import AttractorError, ExitCode
from attractor.base.events import Event
from attractor.cli.invocation import Invocation
from attractor.cli.output.streams import wants_color
from attractor.cli.runs.live.render import DisplaySize, LastLines, render
from attractor.cli.runs.live.state import RunView, fold
from attractor.cli.runs.progress import ALWAYS_PRINTED, describe_event
from attractor.cli.runs.status import RunStatusView, as_text
from attractor.language.source.text import visible
from attractor.pipeline.runs.history import read_run


class TerminalStream(io.TextIOBase):
    """A stream to the terminal that clears the display before each write."""

    def __init__(self, stream: TextIO, step_aside: Callable[[], None]) -> None:
        self._stream = stream
        self._step_aside = step_aside

    def write(self, text: str, /) -> int:
        """Clear the display and write a text."""
        self._step_aside()
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the file descriptor, for terminal modes."""
        return self._stream.fileno()


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
    person is asked at the terminal, nothing is drawn: questions are written to `output`.
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
        stream = cast("TextIO", console.file)
        self.output = cast("TextIO", TerminalStream(stream, self._step_aside))
        self._view = RunView()
        self._folding = threading.Lock()
        self._drawing = threading.RLock()
        self._live: Live | None = None
        self._aside_since: datetime | None = None
        self._was_aside = False
        self._is_asking = threading.Event()
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="live display", daemon=True)

    def begin(self, root: Path | None) -> None:
        """Fold the existing journal of a resumed run and start drawing."""
        self._root = root
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
        """Print a line above the display, not wrapped, because it may contain a command."""
        encoding = self._console.encoding
        shown = line.encode(encoding, "replace").decode(encoding)
        try:
            with self._drawing:
                self._console.print(Text(shown), soft_wrap=True)
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

    def _step_aside(self) -> None:
        """Clear the display before a write to the terminal."""
        if self._aside_since is None:
            # The last drawing then shows the state that led to the question.
            self._is_asking.wait(MOMENT_S)
        with self._drawing:
            is_new, self._aside_since = self._aside_since is None, self._now()
            if is_new and (self._live or self._is_asking.is_set()):
                self._draw()
            self._take_down()
            self._was_aside = True

    def _draw(self) -> None:
        try:
            if self._live is None:
                self._live = self._put_up(again=self._was_aside)
            self._live.update(self._picture(), refresh=True)
        except OSError:
            # The terminal was closed.
            self._over.set()

    def _put_up(self, *, again: bool) -> Live:
        if again:
            # The line of the question may be unfinished.
            self._console.line()
        live = Live(
            self._picture(),
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            vertical_overflow="crop",
        )
        live.start()
        # After a kill, the terminal still has a cursor.
        self._console.show_cursor(True)
        return live

    def _take_down(self) -> None:
        live, self._live = self._live, None
        if live is None:
            return
        try:
            live.stop()
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
    code = ExitCode.DONE
    with Live(console=console, auto_refresh=False, redirect_stdout=False) as live:
        # After a kill, the terminal still has a cursor.
        console.show_cursor(True)
        for one in status_changes:
            code = one.summary.trouble_code
            live.update(painted(one), refresh=True)
    return code


def painted(status: RunStatusView) -> Text:
    """Return a status as text with escaped control characters."""
    lines = (visible(line) for line in as_text(status).split("\n"))
    return Text("\n".join(lines), overflow="crop", no_wrap=True)
