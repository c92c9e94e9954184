"""Contract of Emit: the emitter of a run, and the fake in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from attractor.base.errors import NotCanonical, UsageError
from attractor.base.json import Json
from attractor.engine.errors import StageOver
from attractor.engine.journal.events import ENGINE_KINDS
from attractor.engine.seams import Emit
from attractor.engine.state.attempts import StageReference
from attractor.engine.storage.secrets import Redactor
from attractor.engine.walk.attempt import Emitter
from tests.engine.graphs import line
from tests.engine.runs import Workplace
from tests.handlers.stages import KeptEvents

SECRET = "open sesame"
Events = list[tuple[str, dict[str, Json]]]


@dataclass(frozen=True)
class Stage:
    """A way to emit, the recorded events, and a way to end the stage."""

    emit: Emit
    read: Callable[[], Events]
    close: Callable[[], None]


def journalled(tmp_path: Path) -> Iterator[Stage]:
    place = Workplace(tmp_path / "run", line("a"))
    place.redactor = Redactor([SECRET])
    with place.open() as run:
        emitter = Emitter(run, StageReference("a", 1, 1))
        yield Stage(
            emitter,
            lambda: [(one.type, dict(one.data)) for one in place.events() if one.node == "a"],
            emitter.close,
        )


def kept(tmp_path: Path) -> Iterator[Stage]:
    events = KeptEvents(redactor=Redactor([SECRET]))
    yield Stage(events, lambda: events.all, events.close)


@pytest.fixture(params=[journalled, kept], ids=["journal", "memory"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    yield from request.param(tmp_path)


def test_events_are_recorded_in_order_and_at_once(stage: Stage) -> None:
    stage.emit("First", number=1, deep={"é 🐍": [1, 2.5, True, None, {}]})
    assert stage.read() == [("First", {"number": 1, "deep": {"é 🐍": [1, 2.5, True, None, {}]}})]
    stage.emit("Größe")
    stage.emit("First", number=2)
    assert [kind for kind, _ in stage.read()] == ["First", "Größe", "First"]
    assert stage.read()[1][1] == {}


def test_later_changes_do_not_change_event(stage: Stage) -> None:
    items: list[Json] = ["before"]
    stage.emit("Noted", items=items)
    items.append("after")
    assert stage.read() == [("Noted", {"items": ["before"]})]


def test_large_event_is_recorded_in_full(stage: Stage) -> None:
    text = "größe\n" * 200_000
    stage.emit("Noted", text=text)
    assert stage.read() == [("Noted", {"text": text})]


def test_secrets_are_redacted_and_surrogates_escaped(stage: Stage) -> None:
    stage.emit("Noted", text=f"say {SECRET}", deep=[{SECRET: "\ud800"}])
    assert stage.read() == [("Noted", {"text": "say ***", "deep": [{"***": "\\ud800"}]})]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object(), b"bytes"])
def test_invalid_event_data_is_refused(stage: Stage, value: Json) -> None:
    with pytest.raises(NotCanonical):
        stage.emit("Noted", value=value)
    stage.emit("Next")
    assert stage.read() == [("Next", {})]


def test_engine_event_types_are_reserved(stage: Stage) -> None:
    for kind in ENGINE_KINDS:
        with pytest.raises(UsageError):
            stage.emit(kind)
    assert stage.read() == []


def test_ended_stage_emits_no_event(stage: Stage) -> None:
    stage.emit("Noted")
    stage.close()
    stage.close()
    with pytest.raises(StageOver):
        stage.emit("Late")
    assert stage.read() == [("Noted", {})]
