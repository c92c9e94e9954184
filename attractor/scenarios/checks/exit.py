"""Checks the exit status of a command."""

from pydantic import Field

from attractor.scenarios.check import (
    CheckOptions,
    CheckResult,
    Observation,
    StepRecord,
    check_result,
    step_record,
)
from attractor.scenarios.suite import CommandStep


class ExitCheck(CheckOptions):
    """Passes if the exit status of a command is the expected status (default: 0)."""

    step_kinds = (CommandStep,)

    step: str = Field(description="a step with a command")
    equals: int = Field(default=0, description="the exit status")

    async def judge(self, observed: Observation) -> CheckResult:
        """Compare the exit status; a command that exceeded its time limit has no exit status."""
        record = step_record(observed, "exit", self.step)
        if not isinstance(record, StepRecord):
            return record
        code = "none, because of the time limit" if record.timed_out else str(record.exit_code)
        passed = code == str(self.equals)
        reason = f"step {self.step} ended with {code}" + ("" if passed else f", not {self.equals}")
        return check_result("exit", passed=passed, reason=reason, evidence=code)


part = ExitCheck
