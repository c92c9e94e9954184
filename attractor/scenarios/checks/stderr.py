"""Checks the standard error of a command."""

from attractor.scenarios.check import (
    CheckResult,
    NonEmptyTextExpectation,
    Observation,
    StepRecord,
    check_result,
    step_record,
)


class StderrCheck(NonEmptyTextExpectation):
    """Passes if the standard error of a command matches the expectation."""

    step: str

    async def judge(self, observed: Observation) -> CheckResult:
        """Compare the output."""
        record = step_record(observed, "stderr", self.step)
        if not isinstance(record, StepRecord):
            return record
        lack = self.mismatch(record.stderr)
        reason = f"standard error of step {self.step} {lack or 'is as expected'}"
        return check_result("stderr", passed=not lack, reason=reason, evidence=record.stderr)


part = StderrCheck
