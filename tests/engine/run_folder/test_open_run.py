import os
from pathlib import Path

import pytest

from attractor.base.errors import (
    ExitCode,
    LockHeld,
    NewerFormat,
    OlderFormat,
    UsageError,
    VerificationError,
)
from attractor.base.files import write_whole
from attractor.engine.errors import FenceLost, IllegalTransition
from attractor.engine.journal.events import Action
from attractor.engine.outcome import success
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.run_folder.layout import FileFence
from attractor.engine.run_folder.open_run import SMALL_CHECKPOINT
from attractor.engine.state.progress import Move, Step, Visit
from attractor.engine.state.run_state import BOOTING, CANCELED
from tests.engine.graphs import line
from tests.engine.runs import Workplace, run_graph


@pytest.fixture
def done(tmp_path: Path) -> Workplace:
    """A finished run of several stages."""
    _, place = run_graph(tmp_path, line("a", "b", "c"))
    return place


def state_of(place: Workplace) -> object:
    with place.open() as run:
        return run.state


def test_a_lost_checkpoint_is_rebuilt(done: Workplace) -> None:
    before = state_of(done)
    (done.root / "checkpoint.json").unlink()
    assert state_of(done) == before


@pytest.mark.parametrize("content", [b"", b"\0" * 40])
def test_an_emptied_checkpoint_is_a_lost_one(done: Workplace, content: bytes) -> None:
    before = state_of(done)
    (done.root / "checkpoint.json").write_bytes(content)
    assert state_of(done) == before


def test_stale_checkpoint_is_updated(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a", "b"))
    checkpoint = place.root / "checkpoint.json"
    with place.open() as run:
        run.change_status(BOOTING)
        run.save()
        old = checkpoint.read_bytes()
    place.run()
    now = state_of(place)
    checkpoint.write_bytes(old)
    assert state_of(place) == now


def test_every_flipped_byte_of_a_checkpoint_is_found(done: Workplace) -> None:
    path = done.root / "checkpoint.json"
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(VerificationError) as caught:
            done.open()
        assert caught.value.exit_code is ExitCode.BROKEN


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff", "checkpoint.json is not UTF-8"),
        (b"{", "checkpoint.json is invalid JSON"),
        (b"[]", "checkpoint.json has no position"),
        (b'{"position":{"offset":0,"prev":"","seq":"1"}}', "checkpoint.json has no position"),
        (b'{"position": {"offset":0,"prev":"","seq":1}}', "checkpoint.json has an invalid format"),
        (b'{"position":{"offset":3,"prev":"","seq":1}}', "checkpoint.json do not match"),
        (b'{"position":{"offset":999999,"prev":"","seq":1}}', "refers to byte 999999"),
    ],
)
def test_invalid_checkpoint_is_named(done: Workplace, content: bytes, words: str) -> None:
    (done.root / "checkpoint.json").write_bytes(content)
    with pytest.raises(VerificationError, match=words), done.open():
        pass


def test_checkpoint_is_written_after_many_short_processes(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    place.inputs = {"large": "x" * 3 * SMALL_CHECKPOINT}
    place.run()
    checkpoint = place.root / "checkpoint.json"
    before = checkpoint.read_bytes()
    step = Step(Visit("a", 2, 1, success()), Move("a"))
    for _ in range(80):
        with place.open() as run:
            run.save(step)
    assert checkpoint.read_bytes() != before


def test_another_runs_checkpoint_is_found(done: Workplace, tmp_path: Path) -> None:
    _, other = run_graph(tmp_path / "other", line("x"))
    write_whole(done.root / "checkpoint.json", (other.root / "checkpoint.json").read_bytes())
    with pytest.raises(VerificationError):
        done.open()


def test_a_flipped_byte_behind_the_checkpoint_is_found(done: Workplace) -> None:
    (done.root / "checkpoint.json").unlink()
    journal = done.root / "events.jsonl"
    whole = journal.read_bytes()
    for at in range(0, len(whole) - 1, 97):
        journal.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(VerificationError) as caught:
            done.open()
        assert caught.value.exit_code is ExitCode.BROKEN


def test_a_journal_that_lost_its_end_is_found(done: Workplace) -> None:
    journal = done.root / "events.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:5]))
    with pytest.raises(VerificationError, match="lost lines"):
        done.open()


def test_missing_journal_is_refused(done: Workplace) -> None:
    (done.root / "events.jsonl").unlink()
    with pytest.raises(VerificationError, match="missing"):
        done.open()


def test_a_torn_last_line_is_dropped_and_reported(done: Workplace) -> None:
    before = state_of(done)
    with (done.root / "events.jsonl").open("ab") as journal:
        journal.write(b'{"half')
    with done.open() as run:
        assert run.events.torn is not None
        assert run.state == before
    assert done.events("TornLineDropped")[0].data["length"] == 6
    assert state_of(done) == before


def test_a_second_runner_is_refused_with_the_holders_name(done: Workplace) -> None:
    with done.open(), pytest.raises(LockHeld, match=f"process {os.getpid()} "):
        done.open()
    done.open().close()


def test_lost_fence_refuses_writes(done: Workplace) -> None:
    with done.open() as run:
        size = (done.root / "events.jsonl").stat().st_size
        (done.root / "run.lock").unlink()
        (done.root / "run.lock").touch()
        with pytest.raises(FenceLost):
            run.save()
        with pytest.raises(FenceLost):
            run.write_run()
        assert (done.root / "events.jsonl").stat().st_size == size


def test_newer_and_too_old_formats_are_refused(done: Workplace) -> None:
    manifest = done.root / "manifest.json"
    now = manifest.read_text()
    for number, error in ((2, NewerFormat), (0, OlderFormat)):
        manifest.write_text(now.replace('"format": 1', f'"format": {number}'))
        with pytest.raises(error, match=f"has format {number}, "):
            done.open()


def test_failed_open_releases_the_run(done: Workplace) -> None:
    path = done.root / "checkpoint.json"
    whole = path.read_bytes()
    for broken in (b"{}", b"\xff"):
        path.write_bytes(broken)
        with pytest.raises(VerificationError):
            done.open()
    path.write_bytes(whole)
    done.open().close()


def test_engine_events_cannot_be_emitted(done: Workplace) -> None:
    with done.open() as run:
        with pytest.raises(UsageError, match="reserved for the engine"):
            run.emit("CheckpointSaved", {})
        run.emit("BootStep", {"step": "profile"})
    assert done.events("BootStep")[0].data == {"step": "profile"}


def test_order_is_executed_once_after_a_crash(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    inbox = place.root / "inbox"
    left = leave_order(inbox, Order(Action.PAUSE, "ann"), name="B1")
    with place.open() as run:
        run.take_orders()
    (inbox / "done" / "B1.json").rename(left)
    leave_order(inbox, Order(Action.RESUME, "ann"), name="A1")
    with place.open() as run:
        run.take_orders()
        assert not run.state.is_paused
    assert [one.data["order"] for one in place.events("OperatorAction")] == ["B1.json", "A1.json"]


def test_invalid_order_is_archived_and_reported(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    (place.root / "inbox" / "A1.json").write_text("{}")
    leave_order(place.root / "inbox", Order(Action.RESUME, "ann"), name="A2")
    leave_order(place.root / "inbox", Order(Action.ANSWER, "ann", question="x"), name="A3")
    with place.open() as run:
        run.take_orders()
        run.take_orders()
    actions = place.events("OperatorAction")
    assert [one.data["is_accepted"] for one in actions] == [False, False, False]
    assert "action" in str(actions[0].data["why"])


def test_status_changes_outside_the_table_are_refused(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    with place.open() as run:
        run.change_status(CANCELED, "not wanted")
        with pytest.raises(IllegalTransition, match="cannot become booting"):
            run.change_status(BOOTING)
    assert place.json("run.json")["reason"] == "not wanted"


def test_fence_is_released_after_as_many_ends_as_begins(tmp_path: Path) -> None:
    fence, other = FileFence(tmp_path / "run.lock"), FileFence(tmp_path / "run.lock")
    fence.begin()
    fence.begin()
    fence.end()
    with pytest.raises(LockHeld):
        other.begin()
    fence.end()
    fence.end()
    other.begin()
    other.end()


def test_a_fence_whose_file_was_replaced_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    fence = FileFence(path)
    assert fence.is_lost
    fence.begin()
    fence.commit()
    path.rename(tmp_path / "old.lock")
    assert fence.is_lost
    path.touch()
    with pytest.raises(FenceLost):
        fence.commit()
    fence.end()
