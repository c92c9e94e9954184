from pathlib import Path

from attractor.base.clock import ManualClock
from attractor.base.hash_chain import verify_file
from attractor.engine.journal.events import EventLog
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
