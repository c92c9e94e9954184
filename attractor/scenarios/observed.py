"""What a trial saw of a candidate, for checks to judge."""

from collections.abc import Mapping
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.json import content_hash
from attractor.environments.environment import ExecutionEnvironment


@dataclass(frozen=True)
class StepRecord:
    """How one step went: a command's end, a service's readiness or a request's answer."""

    name: str
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    timed_out: bool = False
    is_ready: bool | None = None
    http_status: int | None = None
    body: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Observed:
    """Every step by name, and the environment in which they were made."""

    steps: Mapping[str, StepRecord]
    environment: ExecutionEnvironment


@dataclass(frozen=True)
class CheckResult:
    """What a check says: passed or not, how nearly, why, and the hash of what it looked at."""

    kind: str
    passed: bool
    score: float
    reason: str
    evidence: str


class Check(Protocol):
    """Judges one thing a trial saw; built from what the suite writes below its kind."""

    async def judge(self, observed: Observed) -> CheckResult:
        """Look, and say whether it holds."""
        ...


def judged(kind: str, *, passed: bool, reason: str, evidence: str) -> CheckResult:
    """Return the result of a check that either holds or does not."""
    digest = content_hash(evidence.encode("utf-8", "surrogateescape"))
    return CheckResult(kind, passed, 1.0 if passed else 0.0, reason, digest)


def step_record(observed: Observed, kind: str, step: str) -> StepRecord | CheckResult:
    """Return a step's record, or the failed check when the step was never reached."""
    record = observed.steps.get(step)
    if record is None:
        return judged(kind, passed=False, reason=f"step {step} was not reached", evidence="")
    if record.trouble:
        reason = f"step {step}: {record.trouble}"
        return judged(kind, passed=False, reason=reason, evidence=record.trouble)
    return record
