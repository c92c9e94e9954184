"""Ruling R8: the status file, and invalid reports of agents."""

from datetime import datetime
from pathlib import Path

import pytest

from attractor.engine.errors import InvalidReport
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage
from attractor.engine.stage.report import parse_report
from tests.engine.graphs import line
from tests.engine.runs import run_graph
from tests.tables import table


def test_R8_the_status_file_holds_the_whole_outcome(tmp_path: Path) -> None:
    said = Outcome(
        StageStatus.FAIL,
        preferred_label="Fix",
        suggested_next_ids=("work",),
        context_updates={"nested.key": "value"},
        notes="what happened",
        failure_reason="red",
        failure_class=FailureClass.VERDICT,
        usage=Usage(3, 4, 0.5),
    )
    _, place = run_graph(tmp_path, line("work"), {"work": said})
    status = place.json("work/status.json")
    started, ended = status.pop("started"), status.pop("ended")
    assert datetime.fromisoformat(str(started)) <= datetime.fromisoformat(str(ended))
    assert status == {
        "outcome": "fail",
        "preferred_label": "Fix",
        "suggested_next_ids": ["work"],
        "context_updates": {"nested.key": "value"},
        "notes": "what happened",
        "failure_reason": "red",
        "failure_class": "verdict",
        "usage": {"input_tokens": 3, "output_tokens": 4, "cost_usd": 0.5},
        "visit": 1,
        "attempt": 1,
    }


def test_R8_every_stage_but_the_exit_has_a_status_file(tmp_path: Path) -> None:
    _, place = run_graph(tmp_path, line("plan", "work"))
    found = sorted(one.parent.name for one in place.root.glob("*/status.json"))
    assert found == ["plan", "start", "work"]


@table(
    "key",
    [
        "outcome",
        "current_node",
        "graph.goal",
        "internal.retry_count.a",
        "human.gate.selected",
        "parallel.results",
        "stack.child",
        "work.item",
        "growth.specification",
        "context.human.gate.selected",
        "context.outcome",
        "context.context.graph.goal",
    ],
)
def test_R8_a_report_may_not_speak_for_the_engine_or_a_person(key: str) -> None:
    with pytest.raises(InvalidReport, match="must not set"):
        parse_report(f'{{"outcome": "success", "context_updates": {{"{key}": "yes"}}}}')
