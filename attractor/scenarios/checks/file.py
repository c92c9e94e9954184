"""Checks a file in the folder of the candidate."""

from pydantic import Field, model_validator

from attractor.environments.errors import FileUnusable
from attractor.scenarios.check import (
    CheckOptions,
    CheckResult,
    Observation,
    TextExpectation,
    check_result,
)


class FileCheck(TextExpectation, CheckOptions):
    """Passes if a file exists (or is missing) as expected, and the content of the file matches."""

    path: str = Field(description="a path in the folder of the candidate")
    exists: bool = Field(default=True, description="whether the file must be there")

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> "FileCheck":
        if not self.exists and self.is_given:
            raise ValueError("a file that must not exist cannot have content")
        return self

    async def judge(self, observed: Observation) -> CheckResult:
        """Read the file; if the file cannot be read, the check fails."""
        try:
            found = await observed.environment.file_exists(self.path)
            if found != self.exists:
                reason = f"{self.path} is {'present' if found else 'missing'}"
                return check_result("file", passed=False, reason=reason, evidence=reason)
            if not self.is_given:
                reason = f"{self.path} is {'present' if found else 'missing'}, as expected"
                return check_result("file", passed=True, reason=reason, evidence=reason)
            text = await observed.environment.read_file(self.path)
            lack = await self.mismatch(text, observed.edition)
            reason = f"{self.path} {lack or 'is as expected'}"
            return check_result("file", passed=not lack, reason=reason, evidence=text)
        except FileUnusable as error:
            reason = f"{self.path} cannot be read: {error}"
            return check_result("file", passed=False, reason=reason, evidence=reason)


part = FileCheck
