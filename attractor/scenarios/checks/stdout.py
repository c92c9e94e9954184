"""What a command wrote to its standard output."""

from attractor.scenarios.check import TextDemand
from attractor.scenarios.evaluation import CheckResult, Observed, StepRecord, judged, step_record


class StdoutCheck(TextDemand):
    """Holds when the standard output of a command is as demanded."""

    step: str

    async def judge(self, observed: Observed) -> CheckResult:
        """Compare what was written."""
        record = step_record(observed, "stdout", self.step)
        if not isinstance(record, StepRecord):
            return record
        lack = self.shortcoming(record.stdout)
        reason = f"standard output of step {self.step} {lack or 'is as demanded'}"
        return judged("stdout", passed=not lack, reason=reason, evidence=record.stdout)


part = StdoutCheck
