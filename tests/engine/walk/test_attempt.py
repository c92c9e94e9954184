"""Attempts count their usage, and stop the run while a service is unavailable."""

from pathlib import Path

import pytest

from attractor.base.errors import ExitCode, Unavailable
from attractor.engine.outcome import NOTHING_USED, Outcome, StageStatus, Usage, success
from attractor.engine.seams import Stage, Stopped
from attractor.engine.state.run_state import EXECUTING
from attractor.language.graph.graph import Graph
from tests.engine.graphs import chain, end, graph, node, start
from tests.engine.runs import Workplace

USED = Usage(input_tokens=10, output_tokens=2, cost_usd=0.5)
BUSY = Outcome(StageStatus.RETRY, failure_reason="busy", usage=USED)
DONE = Outcome(StageStatus.SUCCESS, usage=USED)


def retrying() -> Graph:
    work = node("work", max_retries=2, retry_policy="none")
    return graph([start(), end(), work], chain("start", "work", "after", "exit"))


def test_attempt_records_its_usage(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", retrying(), {"work": [BUSY, DONE]})
    place.run()
    [failed] = place.events("StageFailed")
    [done, after] = [one for one in place.events("StageCompleted") if one.node in ("work", "after")]
    for event in (failed, done):
        assert event.data["usage"] == {"input_tokens": 10, "output_tokens": 2, "cost_usd": 0.5}
    assert after.data["usage"] is None


def test_usage_before_crash_counts(tmp_path: Path) -> None:
    calls = 0

    async def work(stage: Stage) -> Outcome:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Stopped("the process ends here") from OSError("gone")
        return BUSY if calls == 1 else DONE

    place = Workplace(tmp_path / "run", retrying(), {"work": work})
    with pytest.raises(OSError, match="gone"):
        place.run()
    with place.open() as run:
        assert run.state.used == USED
        assert run.progress.usage == NOTHING_USED
    # The usage of the interrupted attempt is unknown.
    assert place.run().usage == USED + USED


def test_stage_without_usage_records_zero(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", retrying(), {"work": success()})
    assert place.run().usage == NOTHING_USED


def test_unavailable_service_stops_the_run_after_the_retries(tmp_path: Path) -> None:
    is_back = False

    async def work(stage: Stage) -> Outcome:
        if not is_back:
            raise Unavailable("connection refused")
        return DONE

    place = Workplace(tmp_path / "run", retrying(), {"work": work})
    for calls in (3, 4):
        stopped = place.run()
        assert (stopped.status, stopped.exit_code) == (EXECUTING, ExitCode.UNFINISHED)
        assert stopped.reason == "stage work: Unavailable: connection refused"
        assert stopped.completed == ("start",)
        assert place.handler.nodes.count("work") == calls
    is_back = True
    assert place.run().outcome is StageStatus.SUCCESS
    assert place.handler.calls[-2:] == [("work", 1, 3), ("after", 1, 1)]


def test_unavailable_service_in_a_branch_lets_the_other_branches_end(tmp_path: Path) -> None:
    async def lost(stage: Stage) -> Outcome:
        raise Unavailable("connection refused")

    fork = node("fork", shape="component")
    meet = node("meet", shape="tripleoctagon")
    edges = [*chain("start", "fork", "a", "meet", "exit"), *chain("fork", "b", "b2", "meet")]
    place = Workplace(tmp_path / "run", graph([start(), end(), fork, meet], edges), {"a": lost})
    assert place.run().status == EXECUTING
    place.handler.script = {}
    assert place.run().outcome is StageStatus.SUCCESS
    assert sorted(place.handler.nodes) == ["a", "a", "b", "b2"]
