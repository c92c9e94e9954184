"""The live display draws at intervals, and leaves the terminal to questions."""

import io
import json
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

from attractor.base.events import Event
from attractor.cli.output.streams import show
from attractor.cli.runs.live.display import LiveDisplay
from attractor.engine.stage.folder import TAIL
from tests.cli.runs.live.run_events import RUN, RunEvents, write_manifest
from tests.cli.runs.live.screen import Screen
from tests.patience import PATIENCE_S


class TerminalOutput(io.StringIO):
    """The output of a terminal; reports each write."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()
        self.writes = 0

    def write(self, text: str, /) -> int:
        count = super().write(text)
        self.writes += 1
        self.written.set()
        return count

    def isatty(self) -> bool:
        return True

    def wait(self) -> None:
        self.written.clear()
        assert self.written.wait(PATIENCE_S)


class Desk:
    """A live display that writes to a `TerminalOutput`, and the events of a run."""

    def __init__(self, runs_dir: Path | None = None) -> None:
        self.paper, self.run = TerminalOutput(), RunEvents()
        console = Console(
            file=self.paper, force_terminal=True, width=60, height=24, legacy_windows=False
        )
        self.display = LiveDisplay(console, self.now, runs_dir=runs_dir)

    def now(self) -> datetime:
        return self.run.now

    def hear(self, *events: Event) -> None:
        for one in events:
            self.display(one)

    @property
    def screen(self) -> Screen:
        screen = Screen(60)
        screen.feed(self.paper.getvalue())
        return screen


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.display.end()


def test_display_is_redrawn_in_place(desk: Desk) -> None:
    desk.display.begin(None)
    desk.hear(desk.run.tell("StageStarted", "plan"))
    desk.paper.wait()
    desk.hear(desk.run.tell("StageCompleted", "plan", outcome="success"))
    desk.paper.wait()
    desk.display.end()
    screen = desk.screen
    assert screen.text.count("plan") == 1
    assert screen.text.splitlines()[1].startswith("✓ plan")
    assert screen.has_cursor
    assert screen.lines[-1] == ""


def test_drawing_rate_is_bounded(desk: Desk) -> None:
    desk.display.begin(None)
    for number in range(2000):
        desk.run.stage("loop", visit=number + 1)
    desk.hear(*desk.run.events)
    desk.display.end()
    # A drawing needs few writes, so there are far fewer writes than events.
    assert desk.paper.writes < 200
    assert "2000 stages" in desk.screen.text


def test_display_stops_during_a_question(desk: Desk) -> None:
    desk.display.begin(None)
    desk.hear(desk.run.tell("StageStarted", "ask"), desk.run.ask("ask"))
    desk.paper.wait()
    desk.display.output.write("Ship it? ")
    asked = desk.paper.getvalue()
    assert asked.endswith("Ship it? ")
    desk.hear(desk.run.tell("StageStarted", "other", branch="b"))
    assert not desk.paper.written.wait(0.3) or desk.paper.getvalue() == asked
    desk.hear(desk.run.answer("ask"))
    desk.paper.wait()
    desk.display.end()
    assert desk.screen.text.count("Ship it? ") == 1
    after = desk.screen.text.partition("Ship it? ")[2]
    assert "other" in after


def test_late_answer_does_not_hide_the_next_question(desk: Desk) -> None:
    desk.display.begin(None)
    desk.hear(desk.run.tell("StageStarted", "one"), desk.run.ask("one"))
    desk.display.output.write("One? ")
    answered = desk.run.answer("one")
    desk.run.seconds += 5
    desk.display.output.write("Two? ")
    desk.hear(answered)
    desk.display.end()
    assert desk.paper.getvalue().endswith("Two? ")


def test_display_contains_stages_before_the_resume(desk: Desk, tmp_path: Path) -> None:
    run = desk.run
    run.stage("plan")
    run.tell("StageStarted", "died")
    write_manifest(tmp_path)
    lines = [json.dumps(one.to_record()) for one in run.events]
    (tmp_path / "events.jsonl").write_text("\n".join([*lines, '{"torn']))
    desk.display.begin(tmp_path)
    desk.hear(run.tell("RunResumed", next_node="died", tree="", interrupted=True))
    desk.display.end()
    text = desk.screen.text
    assert "✓ plan" in text
    assert "died" not in text


def test_closed_terminal_ends_only_the_drawing() -> None:
    class Gone(TerminalOutput):
        def flush(self) -> None:
            raise OSError(5, "Input/output error")

    run, paper, errors = RunEvents(), Gone(), sys.stderr
    display = LiveDisplay(Console(file=paper, force_terminal=True), lambda: run.now)
    display.begin(None)
    display(run.tell("StageStarted", "plan"))
    display.end()
    assert paper.written.is_set()
    assert sys.stderr is errors
    # The finalizer of the stream closes it in the same way.
    display.output.close()


def test_display_contains_events_before_the_first_received(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    run = desk.run
    run.tell("RunForked", parent="P", node="plan", visit=1)
    run.tell("PipelineStarted", name="wish")
    write_manifest(tmp_path / RUN)
    lines = [json.dumps(one.to_record()) for one in run.events]
    (tmp_path / RUN / "events.jsonl").write_text("\n".join([*lines, ""]))
    desk.display.begin(None)
    desk.hear(run.tell("RunStatusChanged", status="executing", phase="", reason=""))
    desk.display.end()
    assert desk.screen.text.splitlines()[0].startswith("wish, executing")


def test_output_of_a_running_command_is_drawn(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    write_manifest(tmp_path / RUN)
    (tmp_path / RUN / "build").mkdir()
    tail = tmp_path / RUN / "build" / TAIL
    desk.display.begin(None)
    desk.hear(desk.run.tell("StageStarted", "build"))
    tail.write_text("one\ntwo\nthree\n\x1b[2Jfour\n")
    desk.paper.wait()
    until = time.monotonic() + PATIENCE_S
    while "three" not in desk.screen.text:
        assert time.monotonic() < until
        desk.paper.wait()
    text = desk.screen.text
    assert "| two" in text.replace("│", "|")
    assert "one" not in text
    assert "\x1b[2Jfour" not in desk.paper.getvalue()
    desk.hear(desk.run.tell("StageCompleted", "build", outcome="success"))
    desk.display.end()
    assert "three" not in desk.screen.text


def test_notices_are_printed_above_the_display(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, notice = Desk(), f"run 1 in /{'deep/' * 20}runs"
    monkeypatch.setattr(sys, "stderr", desk.paper)
    desk.display.begin(None)
    # A thread may have stored sys.stderr before the first drawing.
    stream = sys.stderr
    show(notice, err=True)
    desk.hear(desk.run.tell("StageStarted", "plan"))
    desk.paper.wait()
    for number in range(3):
        stream.write(f"{number}: {notice}\n")
        desk.paper.wait()
    show(f"3: {notice}", err=True)
    desk.display.end()
    assert sys.stderr is desk.paper
    assert desk.screen.lines[:5] == [notice, *(f"{at}: {notice}" for at in range(4))]
    assert desk.screen.text.count("plan") == 1


def test_important_events_are_printed_above_the_display() -> None:
    desk = Desk()
    patch = f"/{'deep/' * 20}left.patch"
    desk.display.begin(None)
    desk.hear(
        desk.run.tell(
            "EditsSetAside",
            paths=["person.txt"],
            count=1,
            patch=patch,
            command=f"git apply {patch}",
        ),
        desk.run.tell("StageStarted", "plan"),
    )
    desk.display.end()
    # The command has no added line breaks, so that a person can copy it.
    assert f"git apply {patch}" in desk.paper.getvalue()
