"""The process of an actor: lock, slots, kills, answers, and the look after the release."""

import time
from pathlib import Path

import pytest

from attractor.base.files import make_private_folder
from attractor.base.locks import FileLock, take_slot
from attractor.factory.open_project import OpenProject
from attractor.worlds import process, slots
from attractor.worlds.actors import ActorFolder, GoneOn, KnownLines, Mark, Marked
from attractor.worlds.inbox import Inbox
from attractor.worlds.messages import Sender, SenderKind, TaskAtWork
from attractor.worlds.process import ActorProcess
from attractor.worlds.status import ActorStatus, read_actor
from tests.worlds.flows import ANN, actor_in, open_at, send_to


def begin_nothing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Start no process of an actor; return the names of those that would start."""
    started = list[str]()

    def wake(folder: ActorFolder, opened: OpenProject) -> None:
        started.append(folder.name)

    monkeypatch.setattr(slots, "wake", wake)
    return started


def one(opened: OpenProject) -> int:
    return 1


def test_messages_are_answered_in_their_order_by_linked_runs(tmp_path: Path) -> None:
    opened = open_at(tmp_path)
    folder = actor_in(opened)
    for text in ("one", "two", "three"):
        send_to(folder, opened, text)
    ActorProcess(folder, opened).work(linger_s=0.1)
    history = folder.read()
    assert [one.message.text for one in history.answers] == ["one", "two", "three"]
    assert all(one.succeeded for one in history.answers)
    assert not Inbox(folder.inbox).has_messages()
    assert folder.read_task() is None
    assert read_actor(folder).status is ActorStatus.IDLE


@pytest.mark.parametrize("is_after", [False, True])
def test_message_between_the_last_look_and_the_release_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_after: bool
) -> None:
    """Hold the process at the release of its lock, before or after it, and send a message there."""
    opened = open_at(tmp_path)
    folder = actor_in(opened)
    send_to(folder, opened, "first")
    release, sent = FileLock.release, list[str]()

    def held(lock: FileLock) -> None:
        if is_after:
            release(lock)
        if lock.path == folder.lock and not sent:
            sent.append("second")
            send_to(folder, opened, "second")
            assert FileLock.is_held(folder.lock) is not is_after
        release(lock)

    monkeypatch.setattr(FileLock, "release", held)
    ActorProcess(folder, opened).work(linger_s=0.1)
    assert [one.message.text for one in folder.read().answers] == ["first", "second"]


def test_answer_of_a_killed_process_is_not_given_again(tmp_path: Path) -> None:
    opened = open_at(tmp_path)
    folder = actor_in(opened)
    message = send_to(folder, opened, "one")
    ActorProcess(folder, opened).work(linger_s=0.1)
    run_id = folder.read().answers[0].run_id
    # As a process that was killed after it recorded the answer.
    folder.write_task(TaskAtWork(message, run_id))
    send_to(folder, opened, "two")
    ActorProcess(folder, opened).work(linger_s=0.1)
    assert [one.message.text for one in folder.read().answers] == ["one", "two"]


def test_run_that_ended_before_its_answer_was_recorded_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_at(tmp_path)
    folder = actor_in(opened)
    settle = process.settle

    def die(*arguments: object) -> None:
        raise KeyboardInterrupt

    send_to(folder, opened, "one")
    monkeypatch.setattr(process, "settle", die)
    with pytest.raises(KeyboardInterrupt):
        ActorProcess(folder, opened).work(linger_s=0.1)
    monkeypatch.setattr(process, "settle", settle)
    runs = [one.name for one in opened.project.runs_dir.glob("*/manifest.json")]
    ActorProcess(folder, opened).work(linger_s=0.1)
    assert [one.name for one in opened.project.runs_dir.glob("*/manifest.json")] == runs
    assert [one.succeeded for one in folder.read().answers] == [True]


def test_task_without_a_run_begins_when_a_person_says_so(tmp_path: Path) -> None:
    opened = open_at(tmp_path)
    folder = actor_in(opened)
    message = send_to(folder, opened, "one")
    task = TaskAtWork(message, opened.project.machine.new_run_id())
    folder.write_task(task)
    assert read_actor(folder).status is ActorStatus.INTERRUPTED
    ActorProcess(folder, opened).work(linger_s=0.1)
    assert folder.read().answers == []
    folder.record(GoneOn(task.run_id, ANN, opened.now()))
    ActorProcess(folder, opened).work(linger_s=0.1)
    assert len(folder.read().answers) == 1


def test_process_that_gets_the_lock_of_a_killed_one_leaves_the_cut_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A held lock would hide the task from `attractor up`."""
    opened = open_at(tmp_path)
    folder = actor_in(opened)
    task = TaskAtWork(send_to(folder, opened, "one"), opened.project.machine.new_run_id())
    acquire = FileLock.acquire

    def after_a_kill(lock: FileLock, *, wait: float = 0.0, purpose: str = "") -> FileLock:
        if lock.path == folder.lock:
            folder.write_task(task)
        return acquire(lock, wait=wait, purpose=purpose)

    monkeypatch.setattr(FileLock, "acquire", after_a_kill)
    began = time.monotonic()
    ActorProcess(folder, opened).work(linger_s=60.0)
    assert time.monotonic() < began + 30
    assert read_actor(folder).status is ActorStatus.INTERRUPTED


def test_stopped_actor_takes_no_message(tmp_path: Path) -> None:
    opened = open_at(tmp_path)
    folder = actor_in(opened)
    folder.record(Marked(Mark.STOPPED, ANN, opened.now()))
    send_to(folder, opened, "one")
    ActorProcess(folder, opened).work(linger_s=0.1)
    assert read_actor(folder).status is ActorStatus.STOPPED
    assert len(read_actor(folder).waiting) == 1


def test_actor_waits_for_a_slot_and_the_ending_one_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_at(tmp_path)
    started = begin_nothing(monkeypatch)
    monkeypatch.setattr(slots, "most_working", one)
    first, second = actor_in(opened, "first"), actor_in(opened, "second")
    send_to(second, opened, "two")
    folder = tmp_path / "state" / "working"
    make_private_folder(folder)
    slot = take_slot(folder, 1)
    assert slot
    ActorProcess(second, opened).work(linger_s=0.1)
    assert second.read().answers == []
    slot.close()
    send_to(first, opened, "one")
    ActorProcess(first, opened).work(linger_s=0.1)
    assert started == ["second"]


def test_known_lines_of_a_journal_are_not_read_again(tmp_path: Path) -> None:
    opened = open_at(tmp_path)
    folder, known = actor_in(opened), KnownLines()
    assert folder.read(known).stopped is None
    journal = folder.root / "journal.jsonl"
    first = journal.stat().st_size
    journal.write_bytes(b"x" * (first - 1) + b"\n")
    folder.record(Marked(Mark.STOPPED, ANN, opened.now()))
    assert folder.read(known).stopped
    assert known.end == journal.stat().st_size > first


def test_memory_of_the_file_cache_counts_as_free(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    file.write_text("MemTotal: 9000 kB\nMemFree: 100 kB\nMemAvailable:  8000 kB\n")
    assert slots.available_memory(file) == 8000 * 1024
    assert slots.available_memory(tmp_path / "none") > 0


def test_result_is_sent_once_to_the_actor_that_gave_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_at(tmp_path)
    begin_nothing(monkeypatch)
    giver, worker = actor_in(opened, "giver"), actor_in(opened, "worker")
    message = send_to(worker, opened, "do it", Sender(SenderKind.ACTOR, "giver"))
    ActorProcess(worker, opened).work(linger_s=0.1)
    process.settle(worker.read().answers[0], worker, opened)
    [result] = Inbox(giver.inbox).waiting()
    assert result.about == message.id
    assert "of the actor worker, which is not a person" in result.goal


def test_actor_that_no_task_could_begin_is_blocked_and_answers_nothing(tmp_path: Path) -> None:
    opened = open_at(tmp_path)
    folder = actor_in(opened, backend="nonsense")
    for text in ("one", "two"):
        send_to(folder, opened, text)
    ActorProcess(folder, opened).work(linger_s=0.1)
    view = read_actor(folder)
    assert (folder.read().answers, len(view.waiting)) == ([], 1)
    assert view.status is ActorStatus.BLOCKED
    assert view.plain.head == "needs you (blocked)"
    assert view.task
    assert "unknown backend 'nonsense'" in view.task.obstacle
