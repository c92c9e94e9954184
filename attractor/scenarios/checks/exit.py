"""The exit code of a command."""

from attractor.scenarios.check import (
    CheckResult,
    Observation,
    StepRecord,
    check_result,
    step_record,
)
from attractor.scenarios.suite import SuiteTable


class ExitCheck(SuiteTable):
    """Holds when a command ended with a code, 0 unless another is written."""

    step: str
    equals: int = 0

    async def judge(self, observed: Observation) -> CheckResult:
        """Compare the exit code; a command whose time was up has none."""
        record = step_record(observed, "exit", self.step)
        if not isinstance(record, StepRecord):
            return record
        code = "none: its time was up" if record.timed_out else str(record.exit_code)
        passed = code == str(self.equals)
        reason = f"step {self.step} ended with {code}" + ("" if passed else f", not {self.equals}")
        return check_result("exit", passed=passed, reason=reason, evidence=code)


part = ExitCheck
