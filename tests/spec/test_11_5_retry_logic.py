"""Definition of Done 11.5: retry logic."""

import asyncio
from datetime import timedelta
from pathlib import Path

from attractor.base.clock import ManualClock
from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import FAIL, RETRY, Workplace, run_graph
from tests.tables import table


def retrying(**attributes: Plain) -> Graph:
    return graph(
        [start(), end(), node("work", **attributes)],
        [*chain("start", "work", "exit"), edge("work", "fix", "outcome=fail"), edge("fix", "exit")],
    )


@table("said", [RETRY, FAIL])
def test_11_5_retry_and_fail_are_tried_again(tmp_path: Path, said: Outcome) -> None:
    whole = retrying(max_retries=1, retry_policy="none")
    result, place = run_graph(tmp_path, whole, {"work": [said, success()]})
    assert result.completed == ("start", "work")
    assert [attempt for _, _, attempt in place.handler.calls] == [1, 2]


def test_11_5_the_count_is_kept_for_each_node_and_respected(tmp_path: Path) -> None:
    whole = retrying(max_retries=3, retry_policy="none")
    _, place = run_graph(tmp_path, whole, {"work": RETRY})
    assert place.handler.nodes == ["work"] * 4 + ["fix"]
    assert place.json("checkpoint.json")["node_retries"] == {"work": 3}


def delays(root: Path, **attributes: Plain) -> list[float]:
    place = Workplace(root, retrying(**attributes), {"work": RETRY})
    clock = ManualClock()
    place.clock = clock

    async def walk() -> None:
        task = asyncio.create_task(place.walk())
        await clock.until_asleep()
        await clock.turn(timedelta(minutes=10))
        await task

    asyncio.run(walk())
    found = [one.data["delay"] for one in place.events("StageRetrying")]
    return [one for one in found if isinstance(one, float)]


@table(
    ("policy", "expected"),
    [("linear", [0.5, 0.5, 0.5]), ("standard", [0.2, 0.4, 0.8]), ("patient", [2.0, 6.0, 18.0])],
)
def test_11_5_configured_waits_grow(tmp_path: Path, policy: str, expected: list[float]) -> None:
    waited = delays(tmp_path / "run", max_retries=3, retry_policy=policy)
    assert len(waited) == 3
    for delay, plain in zip(waited, expected, strict=True):
        assert 0.5 * plain <= delay <= 1.5 * plain


def test_11_5_jitter_spreads_the_waits(tmp_path: Path) -> None:
    waited = delays(tmp_path / "run", max_retries=3, retry_policy="linear")
    assert len(set(waited)) == 3


def test_11_5_when_no_attempt_is_left_the_final_outcome_is_routed(tmp_path: Path) -> None:
    result, place = run_graph(
        tmp_path, retrying(max_retries=1, retry_policy="none"), {"work": RETRY}
    )
    assert result.completed == ("start", "work", "fix")
    assert place.json("work/status.json")["failure_reason"] == "max retries exceeded: busy"


def test_11_5_allow_partial_accepts_a_partial_result(tmp_path: Path) -> None:
    whole = retrying(max_retries=1, retry_policy="none", allow_partial=True)
    result, place = run_graph(tmp_path, whole, {"work": RETRY})
    assert (result.completed, result.outcome) == (("start", "work"), StageStatus.SUCCESS)
    status = place.json("work/status.json")
    assert (status["outcome"], status["notes"]) == (
        "partial_success",
        "retries exhausted, partial accepted",
    )
