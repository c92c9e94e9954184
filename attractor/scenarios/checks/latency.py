"""Scores the time that responses to a repeated request take; it never decides alone."""

import math
from typing import ClassVar

from pydantic import Field, model_validator

from attractor.scenarios.check import (
    CheckOptions,
    CheckResult,
    Observation,
    StepRecord,
    check_result,
    step_record,
)
from attractor.scenarios.suite import LATENCY, Duration, RequestStep, SuiteTable


class LatencyCheck(CheckOptions):
    """Passes if 99 of 100 responses come in time, or in the time that another step needs."""

    step_kinds: ClassVar[tuple[type[SuiteTable], ...]] = (RequestStep,)
    is_of_repeated = True

    hard: bool = Field(default=False, description="always `false`: such a check is soft")
    step: str = Field(description="a step with `repeat`")
    p99: Duration | None = Field(
        default=None, description="the time within which 99 of 100 responses come"
    )
    than: str = Field(
        default="",
        description="another step with `repeat`; one of the base comes before the first command or "
        "service of the candidate, which could slow it down",
    )
    ratio: float = Field(
        default=1.5, gt=0, le=1000, description="how many times as long as that of `than` it may be"
    )

    @model_validator(mode="after")
    def _has_one_limit(self) -> "LatencyCheck":
        if self.hard:
            raise ValueError("a check of times is soft: remove hard")
        if (self.p99 is None) is not bool(self.than):
            raise ValueError("set exactly one of p99 and than")
        return self

    async def judge(self, observed: Observation) -> CheckResult:
        """Compare the time with its limit; the score falls with what is above it."""
        times: list[float] = []
        for name in filter(None, (self.step, self.than)):
            match step_record(observed, LATENCY, name):
                case StepRecord(seconds=()):
                    reason = f"step {name} sent no repeated request"
                    return check_result(LATENCY, passed=False, reason=reason, evidence="")
                case StepRecord(seconds=seconds):
                    times.append(p99_of(seconds))
                case failed:
                    return failed
        took = times[0]
        limit = self.p99.total_seconds() if self.p99 else times[1] * self.ratio
        reason = f"99 of 100 responses took at most {took * 1000:.0f} of {limit * 1000:.0f} ms"
        score = min(1.0, limit / took) if took else 1.0
        return check_result(
            LATENCY, passed=took <= limit, reason=reason, evidence=reason, score=score
        )


def p99_of(seconds: tuple[float, ...]) -> float:
    """Return the time within which 99 of 100 came: of fewer than 100, the longest one."""
    return sorted(seconds)[math.ceil(0.99 * len(seconds)) - 1]


part = LatencyCheck
