"""Ruling R10: a stage folder shows the last attempt, and its history the ones before."""

from pathlib import Path

from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.seams import Stage
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import FAIL, RETRY, run_graph


async def write_and_retry_once(stage: Stage) -> Outcome:
    stage.files.write("response.md", f"{stage.visit}.{stage.attempt}")
    return RETRY if stage.attempt == 1 else success()


def test_R10_every_attempt_of_every_visit_is_kept(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("work", max_retries=1, retry_policy="none")],
        [
            *chain("start", "work", "check"),
            edge("check", "work", "outcome=fail"),
            edge("check", "exit", "outcome=success"),
        ],
    )
    script = {"work": write_and_retry_once, "check": [FAIL, success()]}
    result, place = run_graph(tmp_path, whole, script)
    assert result.outcome is StageStatus.SUCCESS
    work = place.root / "work"
    assert (work / "response.md").read_text() == "2.2"
    for past in ("1.1", "1.2", "2.1"):
        assert (work / "history" / past / "response.md").read_text() == past
        status = place.json(f"work/history/{past}/status.json")
        assert f"{status['visit']}.{status['attempt']}" == past
    assert sorted(one.name for one in (work / "history").iterdir()) == ["1.1", "1.2", "2.1"]
