"""Checks the files that changed in the folder of the candidate."""

import os

from pydantic import Field

from attractor.base.toml import printable
from attractor.scenarios.check import CheckOptions, CheckResult, Observation, check_result
from attractor.workspaces.git.gitignore import IgnoreRules

_MOST = 5


class TreeCheck(CheckOptions):
    """Passes if all files that the steps created, changed or removed match a pattern in `only`."""

    compares_tree = True

    only: tuple[str, ...] = Field(
        description="the paths that may change, as patterns of `.gitignore`"
    )

    async def judge(self, observed: Observation) -> CheckResult:
        """Compare the changed paths with the patterns, which are written as in `.gitignore`."""
        changed = await observed.changed()
        rules = IgnoreRules({}, self.only)
        others = [one for one in changed if not rules.ignores_file(os.fsencode(one))]
        shown = ", ".join(printable(one) for one in others[:_MOST])
        more = f" and {len(others) - _MOST} more" if len(others) > _MOST else ""
        reason = f"the steps changed {shown}{more}" if others else "only allowed files changed"
        return check_result("tree", passed=not others, reason=reason, evidence="\n".join(changed))


part = TreeCheck
