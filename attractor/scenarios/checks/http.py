"""Checks the response to an HTTP request."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from attractor.scenarios.check import (
    CheckOptions,
    CheckResult,
    Observation,
    StepRecord,
    TextExpectation,
    check_result,
    step_record,
)
from attractor.scenarios.suite import RequestStep, Status


def _as_expectation(value: object) -> object:
    return {"equals": value} if isinstance(value, str) else value


HeaderExpectation = Annotated[
    TextExpectation, BeforeValidator(_as_expectation, json_schema_input_type=str | TextExpectation)
]


class HttpCheck(TextExpectation, CheckOptions):
    """Passes if the response has the status (default: 200), the headers and the body."""

    step_kinds = (RequestStep,)

    step: str = Field(description="a step with a request")
    status: Status = Field(default=200, description="the status")
    headers: dict[str, HeaderExpectation] = Field(
        default_factory=dict[str, HeaderExpectation],
        description="for each header its value, or a table with `equals`, `contains`, `lacks`, "
        "`matches` or `lacks_match`",
    )

    async def judge(self, observed: Observation) -> CheckResult:
        """Compare status, headers and body."""
        record = step_record(observed, "http", self.step)
        if not isinstance(record, StepRecord):
            return record
        evidence = f"{record.http_status}\n{sorted(record.headers.items())}\n{record.body}"
        if record.http_status != self.status:
            reason = f"step {self.step} was answered with {record.http_status}, not {self.status}"
            return check_result("http", passed=False, reason=reason, evidence=evidence)
        lack = await self._header_mismatch(record, observed.edition)
        lack = lack or await self.mismatch(record.body, observed.edition)
        reason = f"the response to step {self.step} {lack or 'is as expected'}"
        return check_result("http", passed=not lack, reason=reason, evidence=evidence)

    async def _header_mismatch(self, record: StepRecord, edition: int) -> str:
        for name, expected in self.headers.items():
            value = record.headers.get(name.lower())
            if value is None:
                return f"has no header {name}"
            if lack := await expected.mismatch(value, edition):
                return f"has a header {name} that {lack}"
        return ""


part = HttpCheck
