"""Checks the response to an HTTP request."""

from attractor.scenarios.check import (
    CheckOptions,
    CheckResult,
    Observation,
    StepRecord,
    TextExpectation,
    check_result,
    step_record,
)


class HttpCheck(TextExpectation, CheckOptions):
    """Passes if the response has the expected status (default: 200) and the expected body."""

    step: str
    status: int = 200

    async def judge(self, observed: Observation) -> CheckResult:
        """Compare status and body."""
        record = step_record(observed, "http", self.step)
        if not isinstance(record, StepRecord):
            return record
        evidence = f"{record.http_status}\n{record.body}"
        if record.http_status != self.status:
            reason = f"step {self.step} was answered with {record.http_status}, not {self.status}"
            return check_result("http", passed=False, reason=reason, evidence=evidence)
        lack = self.mismatch(record.body)
        reason = f"the response to step {self.step} {lack or 'is as expected'}"
        return check_result("http", passed=not lack, reason=reason, evidence=evidence)


part = HttpCheck
