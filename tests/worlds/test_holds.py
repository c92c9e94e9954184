"""Holds: task runs that stopped for one cause, the question about them, and its answers."""

import json
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attractor.attention.reading import read_attention
from attractor.attention.rows import AttentionRow, settle
from attractor.base.clock import SystemClock
from attractor.base.ids import new_run_id
from attractor.base.locks import FileLock, holder_of
from attractor.engine.run_folder.layout import RunDirectory
from attractor.factory.history.index import PastRun
from attractor.factory.open_project import OpenProject
from attractor.records.diagnosis.causes import Cause
from attractor.workspaces.folders import lock_writer
from attractor.worlds import orders, slots
from attractor.worlds.actors import ActorFolder, list_actors
from attractor.worlds.holds import HasPassed, Hold, Peers, find_hold, hold_of
from attractor.worlds.inbox import Inbox
from attractor.worlds.messages import TaskAtWork
from attractor.worlds.process import ActorProcess
from attractor.worlds.up import Starter, find_actors
from attractor.worlds.waking import wake
from tests.cli.plain_desk import WORDS
from tests.cli.running import run_here
from tests.patience import wait_until
from tests.tables import table
from tests.worlds.desks import SPAWN, PlacedDesk, desk
from tests.worlds.flows import actor_in, open_at, send_to, settler

__all__ = ["desk"]

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
BROKEN, OTHER = Cause("broken", "verdict", "p", "n"), Cause("other", "verdict", "p", "n")
FULL = Cause("disk full")
CAUSES = {"b": BROKEN, "o": OTHER, "f": FULL, "s": None}


def run_id_at(minute: float) -> str:
    return new_run_id(NOW + timedelta(minutes=minute), lambda count: bytes(count))


def past(words: str) -> Sequence[PastRun]:
    """Return runs, written as CAUSE@MINUTE of the actor a, or CAUSE@MINUTE:ACTOR."""
    found: list[PastRun] = []
    for word in words.split():
        cause, _, rest = word.partition("@")
        minute, _, actor = rest.partition(":")
        ended = NOW + timedelta(minutes=float(minute))
        actor = {"": "a", "person": ""}.get(actor, actor)
        found.append(PastRun(run_id_at(float(minute)), "p", actor, ended, CAUSES[cause]))
    return found


@table(
    "runs, pipeline, expected",
    [
        ("b@1 b@2 b@3", "p.dot", 3),
        ("b@1 b@2", "p.dot", 0),
        ("b@1 b@30 b@61", "p.dot", 3),
        ("b@1 b@30 b@62", "p.dot", 0),
        ("b@0 b@100 b@101 b@102", "p.dot", 4),
        ("b@1 o@2 b@3", "p.dot", 0),
        ("b@1 o@2 b@3 b@4", "p.dot", 3),
        ("b@1 b@2 s@3 b@4", "p.dot", 0),
        ("b@1 b@2 b@3 s@4:person", "p.dot", 0),
        ("b@1 b@2 b@3:person", "p.dot", 0),
        ("b@1 b@2:other b@3:other", "p.dot", 3),
        ("b@1 b@2:other b@3:other", "", 0),
        ("f@1 f@2:other f@3:other", "", 3),
        ("b@1 b@2 b@3 s@4:other", "", 3),
        ("b@1 b@2 b@3:stranger", "p.dot", 0),
    ],
)
def test_runs_of_one_cause_within_an_hour_hold_the_next_one(
    runs: str, pipeline: str, expected: int
) -> None:
    peers = Peers("a", frozenset({"a", "other"}), pipeline)
    hold = hold_after(runs, peers)
    assert (len(hold.runs) if hold else 0) == expected
    assert hold_after(runs, peers, max_same_cause=0) is None


def passes_nothing(run_id: str, node: str) -> bool:
    return False


def hold_after(
    runs: str,
    peers: Peers,
    *,
    max_same_cause: int = 3,
    went_on: Mapping[str, datetime] = {},
    at_work: Mapping[str, str] = {},
    has_passed: HasPassed = passes_nothing,
) -> Hold | None:
    return find_hold(
        past(runs),
        peers,
        max_same_cause=max_same_cause,
        went_on=went_on,
        at_work=at_work,
        has_passed=has_passed,
    )


@table(
    "runs, at_work, passed, expected",
    [
        ("b@1 b@2 b@3", {}, 0, "begins"),
        ("b@1 b@2 b@3", {"other": 11.0}, 0, "tried"),
        ("b@1 b@2 b@3", {"other": 4.0}, 0, "begins"),
        ("b@1 b@2 b@3 b@11", {}, 0, "asks"),
        ("b@1 b@2 b@3 o@11", {}, 0, "begins"),
        ("b@1 b@2 b@3 o@11 b@12 b@13", {"other": 14.0}, 0, "begins"),
        ("b@1 b@2 b@3 o@11 b@12 b@13 b@14", {}, 0, "asks"),
        ("b@1 b@2 b@3 s@11", {}, 0, "begins"),
        ("b@1 b@2 b@3 b@11 s@12 b@13", {}, 0, "begins"),
        ("b@1 b@2 b@3", {"other": 11.0}, 11, "begins"),
        ("b@1 b@2 b@3 b@12", {"other": 11.0}, 11, "begins"),
        ("b@1 b@2 b@3 b@12 b@13 b@14", {"other": 11.0}, 11, "asks"),
        ("b@1 b@2 b@3 b@11:other b@12", {}, 11, "asks"),
    ],
)
def test_answer_lets_one_run_begin_and_the_others_if_it_passes_the_stage(
    runs: str, at_work: dict[str, float], passed: float, expected: str
) -> None:
    peers = Peers("a", frozenset({"a", "other"}), "p.dot")
    first = hold_after("b@1 b@2 b@3", peers)
    assert first
    went_on = {first.id: NOW + timedelta(minutes=10)}
    working = {name: run_id_at(minute) for name, minute in at_work.items()}

    def has_passed(run_id: str, node: str) -> bool:
        assert node == "n"
        return run_id == run_id_at(passed)

    hold = hold_after(runs, peers, went_on=went_on, at_work=working, has_passed=has_passed)
    found = "begins" if hold is None else "tried" if hold.tried else "asks"
    assert found == expected


FAILS = """digraph fails {
  start [shape=Mdiamond]; done [shape=Msquare]
  test [shape=parallelogram, tool_command="test -e FIXED || exit 7"]
  start -> test -> done
}
"""


def broken_project(folder: Path, text: str = FAILS, **variables: str) -> OpenProject:
    """Return a project with a pipeline that fails until the file `fixed` is there."""
    opened = open_at(folder, **variables)
    (opened.project.root / "fails.dot").write_text(text.replace("FIXED", str(folder / "fixed")))
    return opened


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenProject:
    """A project with a pipeline that fails; no process of an actor starts by itself."""
    opened = broken_project(tmp_path)
    for module in (orders, slots):
        monkeypatch.setattr(module, "wake", wake_nothing)
    return opened


def wake_nothing(folder: ActorFolder, opened: OpenProject) -> None: ...


def failing(opened: OpenProject, name: str, messages: int) -> ActorFolder:
    folder = actor_in(opened, name, pipeline=str(opened.project.root / "fails.dot"))
    for number in range(messages):
        send_to(folder, opened, f"task {number}")
    return folder


def work(folder: ActorFolder, opened: OpenProject) -> tuple[int, int]:
    """Work as the process of an actor; return the numbers of its answers and messages."""
    ActorProcess(folder, opened).work(linger_s=0.05)
    return len(folder.read().answers), len(Inbox(folder.inbox).waiting())


def held(opened: OpenProject) -> list[AttentionRow]:
    machine = opened.project.machine
    rows = read_attention(machine.state_dir, SystemClock().now(), machine.environ).rows
    return [row for row in rows if row.need == "held"]


def test_sixth_message_stays_in_the_inbox_until_a_person_answers(
    opened: OpenProject, tmp_path: Path
) -> None:
    one, other = failing(opened, "one", 8), failing(opened, "other", 1)
    assert work(one, opened) == (5, 3)
    assert work(other, opened) == (0, 1)
    [row] = held(opened)
    assert row.reason.endswith("; 4 messages not begun")
    assert "5 runs stopped for one cause: tool_command ended with exit code 7" in row.reason
    assert all(run.is_dir() for run in opened.project.runs_dir.glob("0*"))
    settle(row, "go on", {}, settler(opened))
    assert held(opened) == []
    assert work(one, opened) == (6, 2)
    [again] = held(opened)
    assert again.id != row.id
    # The cause is gone: the next run succeeds, and the others follow.
    (tmp_path / "fixed").touch()
    settle(again, "go on", {}, settler(opened))
    assert (work(other, opened), work(one, opened)) == ((1, 0), (8, 0))
    assert held(opened) == []


def test_held_messages_are_answered_as_not_begun(opened: OpenProject) -> None:
    one = failing(opened, "one", 7)
    work(one, opened)
    [row] = held(opened)
    settle(row, "leave", {}, settler(opened))
    assert held(opened) == []
    answers = one.read().answers
    assert [bool(one.run_id) for one in answers] == [True] * 5 + [False] * 2
    assert answers[-1].reason.startswith("not begun: 5 runs stopped for one cause")
    send_to(one, opened, "another")
    assert work(one, opened) == (7, 1)


def test_others_wait_for_the_run_that_went_on_also_after_a_kill(opened: OpenProject) -> None:
    one, other = failing(opened, "one", 6), failing(opened, "other", 1)
    work(one, opened)
    [row] = held(opened)
    settle(row, "go on", {}, settler(opened))
    # Its process is killed after it took the message, and before it made the run.
    [message] = Inbox(one.inbox).waiting()
    task = TaskAtWork(message, opened.project.machine.new_run_id())
    one.write_task(task)
    assert work(other, opened) == (0, 1)
    failing(opened, "spawned-meanwhile", 1)
    hold = hold_of(other, opened)
    assert hold
    assert hold.tried == task.run_id
    assert held(opened) == []
    assert not RunDirectory(opened.project.runs_dir / task.run_id).manifest.exists()


TWO = {"ATTRACTOR_FACTORY__MAX_SAME_CAUSE": "2", "ATTRACTOR_WORLDS__MAX_WORKING_ACTORS": "4"}
PASSES = """digraph passes {
  start [shape=Mdiamond]; done [shape=Msquare]
  test [shape=parallelogram, tool_command="test -e FIXED || exit 7"]
  wait [shape=parallelogram
        tool_command="timeout 60 sh -c 'until test -e FIXED.more; do sleep 0.05; done'"]
  start -> test -> wait -> done
}
"""


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[OpenProject]:
    """A project in which two runs of one cause hold the next; its actors have real processes."""
    opened = broken_project(tmp_path, **TWO)
    yield opened
    for folder in list_actors(opened.project.machine.state_dir):
        kill(folder)


def kill(folder: ActorFolder) -> None:
    """Kill the process of an actor, if it has one."""
    if holder := holder_of(folder.lock):
        with suppress(ProcessLookupError):
            os.kill(holder.pid, signal.SIGKILL)
    wait_until(lambda: not FileLock.is_held(folder.lock))


def answers(*folders: ActorFolder) -> int:
    return sum(len(folder.read().answers) for folder in folders)


def bring_up(opened: OpenProject) -> list[str]:
    """Start what is to start, as `attractor up` does; return what it says about the rest."""
    machine, said = opened.project.machine, list[str]()
    found = find_actors(machine.state_dir, opened.now(), timedelta(hours=1))
    Starter(machine.state_dir, machine.environ, said.append).start(found)
    return said


@pytest.mark.crash
@pytest.mark.parametrize("has_taken_a_message", [False, True])
def test_killed_processes_change_no_hold(
    alive: OpenProject, monkeypatch: pytest.MonkeyPatch, has_taken_a_message: bool
) -> None:
    place = alive.project.root, alive.project.machine.state_dir
    one = actor_in(alive, "one", pipeline=str(place[0] / "fails.dot"), workspace="in-place")
    send_to(one, alive, "first")
    wake(one, alive)
    wait_until(lambda: answers(one) == 1)
    kill(one)
    send_to(one, alive, "second")
    send_to(one, alive, "third")
    wake(one, alive)
    wait_until(lambda: answers(one) == 2)
    [row] = held(alive)
    kill(one)
    other = failing(alive, "other", 1)
    assert sorted(bring_up(alive)) == [
        f"project/{name} waits: {row.reason.partition(';')[0]}" for name in ("one", "other")
    ]
    [row] = held(alive)
    with lock_writer(*place, run_id="of a person"):
        if has_taken_a_message:
            settle(row, "go on", {}, settler(alive))
            wait_until(one.read_task)
            kill(one)
        else:
            with monkeypatch.context() as patch:
                patch.setattr(orders, "wake", wake_nothing)
                settle(row, "go on", {}, settler(alive))
    assert (held(alive), answers(one, other)) == ([], 2)
    said = bring_up(alive)
    if has_taken_a_message:
        assert said == [f"project/other waits: {row.reason.partition(';')[0]}"]
    wait_until(lambda: held(alive))
    [again] = held(alive)
    assert again.id.rpartition(":")[0] == row.id.rpartition(":")[0]
    assert answers(one, other) == 3
    assert again.reason.endswith("; 1 message not begun")


def test_run_by_hand_is_only_warned_and_its_success_wakes_the_held_actors(
    alive: OpenProject, tmp_path: Path
) -> None:
    one, other = failing(alive, "one", 3), failing(alive, "other", 1)
    assert work(one, alive) == (2, 1)
    machine = alive.project.machine
    [row] = held(alive)

    def run() -> tuple[int, bool]:
        words = ["run", "fails.dot", *WORDS]
        done = run_here(words, folder=alive.project.root, variables=machine.environ)
        warning = "warning: 2 runs stopped for one cause: tool_command ended with exit code 7"
        return done.returncode, f"{warning}; messages wait: attractor attention" in done.stderr

    assert run() == (1, True)
    assert ([again.id for again in held(alive)], answers(one, other)) == ([row.id], 2)
    (tmp_path / "fixed").touch()
    assert run() == (0, True)
    wait_until(lambda: answers(one, other) == 4)
    assert run() == (0, False)


def test_others_may_begin_as_soon_as_a_run_passes_the_stage(tmp_path: Path) -> None:
    opened = broken_project(tmp_path, PASSES, **TWO)
    one, others = failing(opened, "one", 3), [failing(opened, name, 1) for name in ("b", "c")]
    try:
        assert work(one, opened) == (2, 1)
        (tmp_path / "fixed").touch()
        [row] = held(opened)
        settle(row, "go on", {}, settler(opened))
        wait_until(one.read_task)
        # The process that executes a stage without a sandbox starts them.
        wait_until(lambda: all(folder.read_task() for folder in others))
        assert answers(one, *others) == 2
        (tmp_path / "fixed.more").touch()
        wait_until(lambda: answers(one, *others) == 5)
    finally:
        for folder in (one, *others):
            kill(folder)


def test_agents_without_a_pipeline_do_not_stop_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "wake", wake_nothing)
    opened = open_at(tmp_path, **TWO, ATTRACTOR_BACKENDS__COMMAND__RUN="false")
    one, other = (actor_in(opened, name, backend="command") for name in ("one", "other"))
    for folder in (one, other, one, other, one, other):
        send_to(folder, opened, "fix the sum")
    assert work(one, opened) == (2, 1)
    [row] = held(opened)
    assert row.reason.endswith("; 1 message not begun")
    assert work(other, opened) == (2, 1)
    assert len(held(opened)) == 2


def test_held_messages_are_answered_in_attention_next(desk: PlacedDesk) -> None:
    desk.write(FAILS.replace("FIXED", "../fixed"))
    (desk.place / "attractor.toml").write_text("[factory]\nmax_same_cause = 1\n")
    desk.do(*SPAWN, "--name", "one", "first")
    desk.do("actor", "wait", "one", "--until", "failed", "--timeout", "30s")
    desk.do("actor", "seen", "one")
    for text in ("second", "third"):
        desk.do("message", "send", "one", text)
    [row] = desk.rows()
    assert (row["need"], row["name"], row["command"]) == (
        "held",
        "fails",
        "attractor attention next",
    )
    assert "1 run stopped for one cause: " in row["reason"]
    shown = desk.type("what\ngo on\n", "attention", "next")
    assert "2 messages not begun" in shown
    wait_until(lambda: [one["need"] for one in desk.rows()] == ["held", "failed"])
    desk.do("actor", "seen", "one")
    assert "1 message not begun" in desk.type("leave\n", "attention", "next")
    assert desk.do("attention").stdout == "Nothing needs you.\n"
    last = json.loads(desk.do("message", "list", "one", "--json").stdout)[-1]
    assert last["reason"].startswith("not begun: 2 runs stopped for one cause: ")
