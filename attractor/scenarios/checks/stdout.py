"""Checks the standard output of a command."""

from pydantic import Field

from attractor.scenarios.check import (
    CheckOptions,
    CheckResult,
    NonEmptyTextExpectation,
    Observation,
    StepRecord,
    check_result,
    step_record,
)
from attractor.scenarios.suite import CommandStep


class StdoutCheck(NonEmptyTextExpectation, CheckOptions):
    """Passes if the standard output of a command matches the expectation."""

    step_kinds = (CommandStep,)

    step: str = Field(description="a step with a command")

    async def judge(self, observed: Observation) -> CheckResult:
        """Compare the output."""
        record = step_record(observed, "stdout", self.step)
        if not isinstance(record, StepRecord):
            return record
        lack = "is too long"
        if not record.stdout_omitted:
            lack = await self.mismatch(record.stdout, observed.edition)
        reason = f"standard output of step {self.step} {lack or 'is as expected'}"
        return check_result("stdout", passed=not lack, reason=reason, evidence=record.stdout)


part = StdoutCheck
