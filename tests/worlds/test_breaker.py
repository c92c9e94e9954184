"""The breaker: task runs that stopped for one cause, the question about them, and its answers."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.base.ids import new_run_id
from attractor.engine.run_folder.layout import RunDirectory
from attractor.factory.history.index import PastRun
from attractor.factory.open_project import OpenProject
from attractor.records.diagnosis.causes import Cause
from attractor.worlds import orders, process
from attractor.worlds.actors import ActorFolder
from attractor.worlds.attention import AttentionRow, Need, read_attention, settle_held
from attractor.worlds.breaker import Peers, find_hold, hold_of
from attractor.worlds.inbox import Inbox
from attractor.worlds.messages import TaskAtWork
from attractor.worlds.process import ActorProcess
from tests.tables import table
from tests.worlds.flows import ANN, actor_in, open_at, send_to

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
    hold = find_hold(past(runs), peers, 3, {}, {})
    assert (len(hold.runs) if hold else 0) == expected
    assert find_hold(past(runs), peers, 0, {}, {}) is None


@table(
    "runs, at_work, expected",
    [
        ("b@1 b@2 b@3", {}, "begins"),
        ("b@1 b@2 b@3", {"other": 11.0}, "tried"),
        ("b@1 b@2 b@3", {"other": 4.0}, "begins"),
        ("b@1 b@2 b@3 b@11", {}, "asks"),
        ("b@1 b@2 b@3 o@11", {}, "begins"),
        ("b@1 b@2 b@3 o@11 b@12 b@13", {"other": 14.0}, "begins"),
        ("b@1 b@2 b@3 o@11 b@12 b@13 b@14", {}, "asks"),
        ("b@1 b@2 b@3 s@11", {}, "begins"),
    ],
)
def test_answer_lets_one_run_begin(runs: str, at_work: dict[str, float], expected: str) -> None:
    peers = Peers("a", frozenset({"a", "other"}), "p.dot")
    first = find_hold(past("b@1 b@2 b@3"), peers, 3, {}, {})
    assert first
    went_on = {first.id: NOW + timedelta(minutes=10)}
    working = {name: run_id_at(minute) for name, minute in at_work.items()}
    hold = find_hold(past(runs), peers, 3, went_on, working)
    found = "begins" if hold is None else "tried" if hold.is_tried else "asks"
    assert found == expected


FAILS = """digraph fails {
  start [shape=Mdiamond]; done [shape=Msquare]
  test [shape=parallelogram, tool_command="test -e FIXED || exit 7"]
  start -> test -> done
}
"""


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenProject:
    """A project with a pipeline that fails; no process of an actor starts by itself."""
    opened = open_at(tmp_path)
    text = FAILS.replace("FIXED", str(tmp_path / "fixed"))
    (opened.project.root / "fails.dot").write_text(text)
    for module in (orders, process):
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
    return [row for row in rows if row.need is Need.HELD]


def test_sixth_message_stays_in_the_inbox_until_a_person_answers(
    opened: OpenProject, tmp_path: Path
) -> None:
    one, other = failing(opened, "one", 8), failing(opened, "other", 1)
    assert work(one, opened) == (5, 3)
    assert work(other, opened) == (0, 1)
    [row] = held(opened)
    assert [view.name for view in row.held] == ["one", "other"]
    assert "5 runs stopped for one cause: tool_command ended with exit code 7" in row.reason
    assert "4 messages not begun" in row.reason
    assert all(run.is_dir() for run in opened.project.runs_dir.glob("0*"))
    settle_held(row, "go on", ANN, opened)
    assert held(opened) == []
    assert work(one, opened) == (6, 2)
    [again] = held(opened)
    assert again.id != row.id
    # The cause is gone: the next run succeeds, and the others follow.
    (tmp_path / "fixed").touch()
    settle_held(again, "go on", ANN, opened)
    assert (work(other, opened), work(one, opened)) == ((1, 0), (8, 0))
    assert held(opened) == []


def test_held_messages_are_answered_as_not_begun(opened: OpenProject) -> None:
    one = failing(opened, "one", 7)
    work(one, opened)
    [row] = held(opened)
    settle_held(row, "leave", ANN, opened)
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
    settle_held(row, "go on", ANN, opened)
    # Its process is killed after it took the message, and before it made the run.
    [message] = Inbox(one.inbox).waiting()
    task = TaskAtWork(message, opened.project.machine.new_run_id())
    one.write_task(task)
    assert work(other, opened) == (0, 1)
    hold = hold_of(other, opened)
    assert hold
    assert hold.is_tried
    assert held(opened) == []
    assert not RunDirectory(opened.project.runs_dir / task.run_id).manifest.exists()
