"""The live display: it listens to events, and draws what it knows of the run now and then.

A stream to a terminal: whoever writes to it has the terminal to himself.

Paints where a run stands on a terminal, and paints it anew when that changes.
"""

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
from attractor.cli.live.command_output import Tails, View
from attractor.cli.live.render import DisplaySize, render
from attractor.cli.live.state import fold
from attractor.cli.output.streams import wants_color
from attractor.cli.runs.progress import NOT_TO_BE_MISSED, describe_event
from attractor.cli.runs.status import RunStatusView, as_text
from attractor.language.source.text import visible
from attractor.pipeline.runs.record import read_run


class StepsAside(io.TextIOBase):
    """Writes to a stream, after it had what is drawn there taken away."""

    def __init__(self, stream: TextIO, step_aside: Callable[[], None]) -> None:
        self._stream = stream
        self._step_aside = step_aside

    def write(self, text: str, /) -> int:
        """Write a text, on a terminal that nobody else draws on."""
        self._step_aside()
        return self._stream.write(text)

    def flush(self) -> None:
        """Write out what is waiting."""
        self._stream.flush()

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def isatty(self) -> bool:
        """Tell whether a person reads it."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor, for whoever sets the terminal's modes."""
        return self._stream.fileno()


TIMES_A_SECOND = 8
"""How often it is drawn at most."""

MOMENT_S = 0.1
"""How long the news of a question may take to get here."""

_ASKED = ("InterviewStarted", "QuestionAsked")

_OVER = (
    "QuestionSettled",
    "InterviewCompleted",
    "InterviewTimeout",
    "StageCompleted",
    "StageFailed",
    "StageParked",
)
"""What may end a conversation with a person at the terminal."""


def console_for(stream: TextIO, invocation: Invocation) -> Console:
    """Return what draws on a terminal, in colour where that is wanted."""
    choice = invocation.configuration.settings.output.color
    has_color = wants_color(choice, invocation.environ, stream)
    return Console(file=stream, no_color=not has_color, highlight=False, force_terminal=True)


class LiveDisplay:
    """Holds the picture of one run at the foot of a terminal.

    Events come from any thread and are only folded in; a thread of its own draws. While somebody is
    asked at the terminal nothing is drawn: `output` is what the asking has to be written to.
    """

    def __init__(
        self, console: Console, now: Callable[[], datetime], *, runs_dir: Path | None = None
    ) -> None:
        self._now = now
        self._runs_dir = runs_dir
        self._root: Path | None = None
        self._places: dict[str, Path] = {}
        self._tails = Tails()
        self._console = console
        stream = cast("TextIO", console.file)
        self.output = cast("TextIO", StepsAside(stream, self._step_aside))
        self._view = View()
        self._folding = threading.Lock()
        self._drawing = threading.RLock()
        self._live: Live | None = None
        self._aside_since: datetime | None = None
        self._was_aside = False
        self._is_asking = threading.Event()
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="live display", daemon=True)

    def begin(self, root: Path | None) -> None:
        """Take in what the journal of a run that goes on has already, and begin to draw."""
        self._root = root
        # What can't be read is told by whoever goes on with the run.
        with suppress(AttractorError):
            if root is not None and (root / "manifest.json").exists():
                self._take_in(root)
        self._ticker.start()

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        if event.type in NOT_TO_BE_MISSED:
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
        """Write a line above the picture, whole: it may hold a command to be copied."""
        encoding = self._console.encoding
        shown = line.encode(encoding, "replace").decode(encoding)
        try:
            with self._drawing:
                self._console.print(Text(shown), soft_wrap=True)
        except OSError:
            self._over.set()

    def _come_back(self, at: datetime) -> None:
        """Draw again when nobody is asked any more, as far as was told at a time."""
        if any(not one.is_parked for one in self._view.questions.values()):
            return
        self._is_asking.clear()
        # One may be asked before we hear that another was answered: the times tell them apart.
        if self._aside_since and at >= self._aside_since:
            self._aside_since = None

    def end(self) -> None:
        """Draw a last time, and leave the terminal as it was found."""
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
        # Whoever was at work then is not any more.
        self._view = replace(self._view, at_work={}, questions={}, reason="")

    def _take_in_before(self, event: Event) -> None:
        """Take in what was written of a run before anybody could hear it, as of a forked one."""
        root = self._place(event.run_id)
        with suppress(AttractorError):
            for one in read_run(root).events() if root and event.seq > 1 else ():
                if one.seq >= event.seq:
                    return
                self._view = fold(self._view, one)

    def _place(self, run_id: str) -> Path | None:
        """Return where a run lies: the first one's place may be given."""
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
        """Leave the terminal to whoever is about to write to it."""
        if self._aside_since is None:
            # Then the last picture shows how far the run has come to ask this.
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
            # Somebody closed the terminal: there is nobody to draw for.
            self._over.set()

    def _put_up(self, *, again: bool) -> Live:
        if again:
            # Nobody may have ended the line that somebody was asked on.
            self._console.line()
        live = Live(
            self._picture(),
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            vertical_overflow="crop",
        )
        live.start()
        # Whoever kills us leaves a terminal with a cursor.
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
            # Whoever asks says it in his own words.
            view = replace(view, questions={})
        return Group(*render(view, self._now(), DisplaySize(width, height, is_ascii)))


def paint(standings: Iterable[RunStatusView], invocation: Invocation) -> ExitCode:
    """Paint each one over the one before; the last one stays."""
    console = console_for(sys.stdout, invocation)
    code = ExitCode.DONE
    with Live(console=console, auto_refresh=False, redirect_stdout=False) as live:
        # Whoever kills us leaves a terminal with a cursor.
        console.show_cursor(True)
        for one in standings:
            code = one.summary.trouble_code
            live.update(painted(one), refresh=True)
    return code


def painted(status: RunStatusView) -> Text:
    """Return where a run stands, of which no terminal obeys anything."""
    lines = (visible(line) for line in as_text(status).split("\n"))
    return Text("\n".join(lines), overflow="crop", no_wrap=True)
