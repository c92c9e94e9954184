from pathlib import Path

from attractor.base.clock import ManualClock
from attractor.base.events import Event
from attractor.base.hash_chain import verify_file
from attractor.base.json import Json
from attractor.engine.journal.events import (
    ENGINE_KINDS,
    CheckpointSaved,
    EventLog,
    OperatorAction,
    StageFailed,
    read_event,
)
from attractor.engine.state.attempts import StageReference
from attractor.engine.storage.secrets import Redactor
from tests.engine.runs import read_events


def open_log(path: Path) -> EventLog:
    return EventLog(path, run_id="R", clock=ManualClock(), redactor=Redactor(["password"]))


def test_an_event_is_chained_redacted_and_handed_on(tmp_path: Path) -> None:
    log = open_log(tmp_path / "events.jsonl")
    seen: list[object] = []
    log.subscribe(seen.append)
    first = log.append("One", {"said": "the password"}, place=StageReference("a", 1, 2))
    second = log.append("Two", {}, sync=True)
    log.close()
    assert seen == [first, second] == read_events(tmp_path)
    assert (first.node, first.visit, first.attempt, first.seq) == ("a", 1, 2, 1)
    assert first.data == {"said": "the ***"}
    assert second.prev == first.hash
    assert verify_file(tmp_path / "events.jsonl").flaw is None


def test_event_log_continues_chain(tmp_path: Path) -> None:
    log = open_log(tmp_path / "events.jsonl")
    log.append("One", {})
    head = log.head
    log.close()
    log = open_log(tmp_path / "events.jsonl")
    log.continue_from(head)
    log.append("Two", {})
    log.close()
    assert verify_file(tmp_path / "events.jsonl").flaw is None


def test_events_of_other_versions_are_read_as_their_classes() -> None:
    def read(kind: str, **data: Json) -> object:
        return read_event(Event(time=ManualClock().now(), run_id="R", type=kind, data=data))

    assert read("StageFailed", error="no", duration=2, will_retry="yes", later=1) == StageFailed(
        name="", index=0, error="no", failure_class="", duration=2.0, will_retry=False
    )
    assert read("OperatorAction", action="pause") == OperatorAction("pause", "", "")
    assert read("CheckpointSaved") == CheckpointSaved("", None, "")
    assert all(read(kind) for kind in ENGINE_KINDS)
    assert read("ToolCalled", name="x") is None
