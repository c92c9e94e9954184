"""The time of 99 of 100 responses scores a trial, and never fails it alone."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from attractor.environments.memory import MemoryExecutionEnvironment
from attractor.scenarios.check import Observation, StepRecord
from attractor.scenarios.checks.latency import LatencyCheck
from attractor.scenarios.suite import RequestStep
from tests.scenarios.test_live_services import RUSH, play, serve
from tests.scenarios.test_play import scenario
from tests.tables import table

FAST = tuple(0.001 * number for number in range(1, 201))
STEPS = {"many": StepRecord("many", seconds=FAST), "slow": StepRecord("slow", seconds=(0.4, 0.1))}


@table(
    "given, passed, score, reason",
    [
        ({"p99": "198ms"}, True, 1, "99 of 100 responses took at most 198 of 198 ms"),
        ({"p99": "99ms"}, False, 0.5, "took at most 198 of 99 ms"),
        ({"than": "slow", "ratio": 1}, True, 1, "198 of 400 ms"),
        ({"step": "slow", "than": "many", "ratio": 2}, False, 0.99, "400 of 396 ms"),
        ({"step": "gone", "p99": "1s"}, False, 0, "step gone did not run"),
    ],
)
def test_time_is_compared_with_a_limit_or_with_another_step(
    given: dict[str, Any], passed: bool, score: float, reason: str
) -> None:
    check = LatencyCheck.model_validate({"step": "many", **given})
    found = asyncio.run(check.judge(Observation(STEPS, MemoryExecutionEnvironment())))
    assert (found.passed, round(found.score, 2)) == (passed, score)
    assert reason in found.reason


@table("given", [{}, {"p99": "1s", "than": "slow"}, {"p99": "1s", "hard": True}])
def test_check_is_soft_and_has_one_limit(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"exactly one of|soft"):
        LatencyCheck.model_validate({"step": "many", **given})


def test_base_is_measured_before_a_candidate_runs_that_could_slow_it_down() -> None:
    old = [serve(name="old", of="base"), {**RUSH, "of": "base"}]
    new = [serve(), {**RUSH, "name": "new"}]
    check = {"kind": "latency", "step": "new", "than": "rush"}
    assert scenario([*old, *new], [check]).needs_base
    with pytest.raises(ValidationError, match="step rush: measure the base before"):
        scenario([old[0], *new, old[1]], [check])


def test_repeated_request_is_measured(tmp_path: Any) -> None:
    late = {"kind": "latency", "step": "rush", "p99": "1ms"}
    played = play(tmp_path, [serve(), RUSH], [late])
    [found] = played.checks
    assert not found.passed
    assert 0 < found.score < 1
    assert not found.hard
    assert played.is_satisfied is (found.score >= 0.7)
    assert isinstance(played.scenario.steps[1], RequestStep)
    assert played.scenario.is_played_alone
