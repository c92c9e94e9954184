"""The live display draws now and then, and leaves the terminal to whoever asks a person."""

import io
import json
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from rich.console import Console

from attractor.base.events import Event
from attractor.cli.live.display import LiveDisplay
from attractor.engine.manifest import Manifest, manifest_to_record
from attractor.engine.seams import Base
from tests.cli.live.happenings import BEGAN, RUN, Happenings
from tests.cli.live.screen import Screen

PATIENCE_S = 10.0


class Paper(io.StringIO):
    """A terminal's output, that tells when it was written to."""

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
    """A display on paper, and a run that it is told of."""

    def __init__(self) -> None:
        self.paper, self.run = Paper(), Happenings()
        console = Console(
            file=self.paper, force_terminal=True, width=60, height=24, legacy_windows=False
        )
        self.display = LiveDisplay(console, self.now)

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


def test_the_picture_is_drawn_over_the_one_before(desk: Desk) -> None:
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


def test_however_much_happens_it_is_drawn_a_few_times(desk: Desk) -> None:
    desk.display.begin(None)
    for number in range(2000):
        desk.run.stage("loop", visit=number + 1)
    desk.hear(*desk.run.events)
    desk.display.end()
    # Each drawing is a few writes: nothing near one an event.
    assert desk.paper.writes < 200
    assert "2000 stages" in desk.screen.text


def test_nothing_is_drawn_while_a_person_is_asked(desk: Desk) -> None:
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


def test_an_answer_that_is_told_late_does_not_hide_the_next_question(desk: Desk) -> None:
    desk.display.begin(None)
    desk.hear(desk.run.tell("StageStarted", "one"), desk.run.ask("one"))
    desk.display.output.write("One? ")
    answered = desk.run.answer("one")
    desk.run.seconds += 5
    desk.display.output.write("Two? ")
    desk.hear(answered)
    desk.display.end()
    assert desk.paper.getvalue().endswith("Two? ")


def test_what_a_run_did_before_it_was_resumed_is_part_of_the_picture(
    desk: Desk, tmp_path: Path
) -> None:
    run = desk.run
    run.stage("plan")
    run.tell("StageStarted", "died")
    manifest = Manifest(
        run_id=RUN, pipeline="wish", goal="", started=BEGAN, content_hash="", base=Base("", "", "")
    )
    (tmp_path / "manifest.json").write_text(json.dumps(manifest_to_record(manifest)))
    lines = [json.dumps(one.to_record()) for one in run.events]
    (tmp_path / "events.jsonl").write_text("\n".join([*lines, '{"torn']))
    desk.display.begin(tmp_path)
    desk.hear(run.tell("RunResumed", next_node="died", tree="", interrupted=True))
    desk.display.end()
    text = desk.screen.text
    assert "✓ plan" in text
    assert "died" not in text


def test_a_terminal_that_was_closed_ends_the_drawing_and_nothing_else() -> None:
    class Gone(Paper):
        def flush(self) -> None:
            raise OSError(5, "Input/output error")

    run, paper = Happenings(), Gone()
    display = LiveDisplay(Console(file=paper, force_terminal=True), lambda: run.now)
    display.begin(None)
    display(run.tell("StageStarted", "plan"))
    display.end()
