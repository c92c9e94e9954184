"""A file that the candidate left in its folder."""

from pydantic import model_validator

from attractor.environments.errors import FileUnusable
from attractor.scenarios.check import CheckResult, Observation, TextExpectation, check_result


class FileCheck(TextExpectation):
    """Holds when a file is there, or is not, and what it holds is as demanded."""

    path: str
    exists: bool = True

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> "FileCheck":
        if not self.exists and self.is_given:
            raise ValueError("a file that must not exist can hold nothing")
        return self

    async def judge(self, observed: Observation) -> CheckResult:
        """Look for the file and read it; one that can't be read fails the candidate."""
        try:
            return await self._judge(observed)
        except FileUnusable as error:
            reason = f"{self.path} can't be read: {error}"
            return check_result("file", passed=False, reason=reason, evidence=reason)

    async def _judge(self, observed: Observation) -> CheckResult:
        found = await observed.environment.file_exists(self.path)
        if found != self.exists:
            reason = f"{self.path} is {'there' if found else 'missing'}"
            return check_result("file", passed=False, reason=reason, evidence=reason)
        if not self.is_given:
            reason = f"{self.path} is {'there' if found else 'not there'}, as demanded"
            return check_result("file", passed=True, reason=reason, evidence=reason)
        text = await observed.environment.read_file(self.path)
        lack = self.mismatch(text)
        reason = f"{self.path} {lack or 'is as demanded'}"
        return check_result("file", passed=not lack, reason=reason, evidence=text)


part = FileCheck
