"""What a command wrote to its standard error."""

from attractor.scenarios.check import TextDemand
from attractor.scenarios.evaluation import CheckResult, Observed, StepRecord, judged, step_record


class StderrCheck(TextDemand):
    """Holds when the standard error of a command is as demanded."""

    step: str

    async def judge(self, observed: Observed) -> CheckResult:
        """Compare what was written."""
        record = step_record(observed, "stderr", self.step)
        if not isinstance(record, StepRecord):
            return record
        lack = self.shortcoming(record.stderr)
        reason = f"standard error of step {self.step} {lack or 'is as demanded'}"
        return judged("stderr", passed=not lack, reason=reason, evidence=record.stderr)


part = StderrCheck
