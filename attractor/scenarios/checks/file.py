"""Checks a file in the folder of the candidate."""

from pathlib import PurePosixPath

from pydantic import Field, model_validator

from attractor.environments.errors import FileUnusable
from attractor.scenarios.check import (
    CheckOptions,
    CheckResult,
    Observation,
    TextExpectation,
    check_result,
)
from attractor.scenarios.suite import EDITION


class FileCheck(TextExpectation, CheckOptions):
    """Passes if a file exists (or is missing) as expected, and the content of the file matches."""

    path: str = Field(description="a path in the folder of the candidate")
    exists: bool = Field(
        default=True,
        description="whether the file must be there; a link to a missing file fails both",
    )

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
            if not found and observed.edition >= EDITION and await self._is_link(observed):
                reason = f"{self.path} is a link to a missing file"
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

    async def _is_link(self, observed: Observation) -> bool:
        """Return whether a missing file has an entry in its folder."""
        path = PurePosixPath(self.path)
        try:
            entries = await observed.environment.list_directory(str(path.parent))
        except FileUnusable:  # no folder
            return False
        return path.name in [entry.name for entry in entries]


part = FileCheck
