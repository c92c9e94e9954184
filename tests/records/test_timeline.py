"""Stages of a run with times, edges and files, also after interruptions."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attractor.base.errors import UnknownName
from attractor.base.events import Event
from attractor.base.json import Json
from attractor.language.drawing.run_overlay import StageState
from attractor.records.timeline import (
    StageAttempt,
    find_attempt,
    fold_timeline,
    read_stages,
    read_timeline,
)
from tests.pipeline.viewed_runs import make_viewed
from tests.tables import table

BEGUN = datetime(2026, 1, 31, tzinfo=UTC)
STARTED: dict[str, Json] = {"name": "Make it", "index": 1, "fidelity": "compact", "thread": ""}
COMPLETED: dict[str, Json] = {"outcome": "success", "notes": "", "assumed": False, "duration": 2.0}
USED: dict[str, Json] = {"input_tokens": 1, "output_tokens": 2, "cost_usd": 0.5}
FAILED: dict[str, Json] = {
    **{"error": "busy", "failure_class": "retryable", "will_retry": True},
    **{"duration": 1.0, "usage": USED},
}
ASKED: dict[str, Json] = {"question": {"id": "make@1.1"}}
ANSWERED: dict[str, Json] = {
    **{"action": "answer", "by": "ann", "why": "", "is_accepted": True},
    **{"question": "make@1.1"},
}
CHILD: dict[str, Json] = {"run_id": "R2", "directory": "/runs/R/children/make@1.1"}
RESUMED: dict[str, Json] = {"next_node": "make", "interrupted": True, "heard": ""}

EventFields = tuple[str, dict[str, Json]]


def events(
    *expected: EventFields | tuple[str, dict[str, Json], int], branch: str = ""
) -> Iterator[Event]:
    """Yield events about the first attempt at `make`, one each second."""
    for second, (kind, data, *attempt) in enumerate(expected):
        yield Event(
            time=BEGUN + timedelta(seconds=second),
            run_id="R",
            type=kind,
            node="make",
            visit=1,
            attempt=attempt[0] if attempt else 1,
            branch=branch or None,
            data=data,
        )


def heard(second: int) -> dict[str, Json]:
    return {**RESUMED, "heard": (BEGUN + timedelta(seconds=second)).isoformat()}


Periods = list[tuple[int, int | None]]
BEGIN: EventFields = ("StageStarted", STARTED)
LATER: EventFields = ("Any", {})
KILLED = [BEGIN, LATER, ("RunResumed", heard(1)), BEGIN, ("StageCompleted", COMPLETED)]
CASES: list[tuple[list[EventFields], bool, StageState, Periods, float]] = [
    ([BEGIN], True, StageState.RUNNING, [(0, None)], 0),
    ([BEGIN, LATER], False, StageState.INTERRUPTED, [(0, 1)], 1),
    ([BEGIN, ("StageParked", ASKED), LATER], False, StageState.WAITING, [(0, 1)], 0),
    (
        [BEGIN, ("RunInterrupted", {"reason": "Ctrl-C"}), LATER],
        False,
        StageState.INTERRUPTED,
        [(0, 1)],
        1,
    ),
    # A killed process worked until its last event.
    (KILLED, True, StageState.DONE, [(0, 1), (3, 4)], 1),
    (
        [BEGIN, ("ParallelBranchCompleted", {"outcome": "canceled"}), LATER],
        True,
        StageState.INTERRUPTED,
        [(0, 1)],
        1,
    ),
]


@table(("expected", "is_live", "state", "periods", "cut"), CASES)
def test_periods_end_with_the_process(
    expected: list[EventFields], is_live: bool, state: StageState, periods: Periods, cut: float
) -> None:
    timeline = fold_timeline(events(*expected, branch="fan@1.1/a"), is_live=is_live)
    [one] = timeline.attempts
    assert (one.state, one.cut) == (state, cut)
    assert one.worked == cut + sum(one.ends)
    found = [(one.start, one.end) for one in one.periods]
    seconds = [(begin - BEGUN, end and end - BEGUN) for begin, end in found]
    assert seconds == [
        (timedelta(seconds=begin), None if end is None else timedelta(seconds=end))
        for begin, end in periods
    ]


def test_retries_are_attempts_with_their_own_cost_and_model() -> None:
    session: dict[str, Json] = {"provider": "openai", "model": "m"}
    timeline = fold_timeline(
        events(
            ("StageStarted", STARTED),
            ("SESSION_START", session),
            ("ModelUsed", {"usage": USED}),
            *[("ChildRunStarted", CHILD)] * 2,
            ("StageFailed", FAILED),
            ("StageStarted", STARTED, 2),
            ("ModelUsed", {"usage": USED}, 2),
            ("ModelUsed", {"usage": USED}, 2),
        ),
        is_live=True,
    )
    first, second = timeline.attempts
    assert (first.error, first.will_retry, first.model) == ("busy", True, "openai/m")
    assert first.to_record()["children"] == [{"name": "make@1.1", **CHILD}]
    assert [one.usage.tokens for one in (first, second)] == [3, 6]
    assert find_attempt(timeline.attempts, "make@1") is second
    assert find_attempt(timeline.attempts, "make@1.1") is first


def test_waits_end_with_the_answer_or_the_run() -> None:
    asked = [("StageStarted", STARTED), ("QuestionAsked", ASKED), ("StageParked", ASKED)]
    open_ = fold_timeline(events(*asked), is_live=False)
    assert open_.waits[0].until is None
    answered = fold_timeline(events(*asked, ("OperatorAction", ANSWERED)), is_live=False)
    [wait] = answered.waits
    assert (wait.since, wait.until, wait.by) == (
        *(BEGUN + timedelta(seconds=1), BEGUN + timedelta(seconds=3)),
        "ann",
    )
    waits = "waits for an answer at make"
    assert [one.words for one in answered.notes] == [waits, "answer by ann (not recorded)"]
    here: Json = {"kind": "given", "value": "Y", "by": "bob", "proof": "terminal"}
    settled: dict[str, Json] = {"question": wait.question, "answer": here}
    at_terminal = fold_timeline(events(*asked, ("QuestionSettled", settled)), is_live=False)
    assert (at_terminal.waits[0].by, at_terminal.waits[0].proof) == ("bob", "terminal")
    assert at_terminal.notes[-1].words == f"answer to {wait.question} by bob (terminal)"
    canceled = fold_timeline(events(*asked, ("PipelineFailed", {})), is_live=False)
    assert canceled.waits[0].until == BEGUN + timedelta(seconds=3)


def test_stages_of_a_run_have_edges_and_files(tmp_path: Path) -> None:
    root, _ = make_viewed(tmp_path)
    stages = read_stages(root)
    by_node = {one.node: one for one in stages}
    assert {one.node: one.state.name for one in stages} == {
        **dict.fromkeys(["start", "plan", "write", "fork", "left", "join"], "DONE"),
        **{"right": "FAILED", "gate": "WAITING"},
    }
    assert by_node["left"].branch == "fork@1.1/left"
    assert by_node["right"].error.startswith("tool_command ended with exit code 3")
    [edge] = by_node["write"].edges
    assert (edge.target, edge.reason) == ("fork", "weight")
    names = [one.name for one in by_node["left"].files()]
    assert names == ["diff.patch", "status.json", "stderr.txt", "stdout.txt"]
    assert by_node["right"].read_file("stdout.txt", most=3) == b"rig"
    (root / "plan" / "link").symlink_to(root / "manifest.json")
    for name in ("link", "../manifest.json", "history", "none"):
        with pytest.raises(UnknownName):
            by_node["plan"].read_file(name, most=10)
    for name in ("nothing", "plan@2", "plan@1.2", ""):
        with pytest.raises(UnknownName, match="unknown stage of this run"):
            find_attempt(stages, name)
    [wait] = read_timeline(root).waits
    assert (wait.node, wait.until) == ("gate", None)


MOVER = "import os\nwhile True: os.rename('a', 'b'); os.rename('b', 'a')"


def test_files_of_an_attempt_that_is_just_moved_are_none(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    for name in range(20):
        (folder / f"{name}").touch()
    one = StageAttempt("work", 1, 1, folder=folder)
    with subprocess.Popen([sys.executable, "-c", MOVER], cwd=tmp_path) as mover:
        counts = [len(one.files()) for _ in range(1000)]
        mover.kill()
    assert set(counts) <= {0, 20}
