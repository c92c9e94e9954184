"""Checks the files that changed in the folder of the candidate."""

import os

from pydantic import Field

from attractor.base.toml import printable
from attractor.scenarios.check import CheckOptions, CheckResult, Observation, check_result
from attractor.scenarios.suite import EDITION
from attractor.workspaces.git.gitignore import IgnoreRules

_MOST = 5


class TreeCheck(CheckOptions):
    """Passes if all that the steps created, changed or removed matches a pattern in `only`.

    It compares contents, types, permissions and extended attributes of files and folders, also
    below `.git/`. Times and owners are not compared; a tree deeper than 199 folders fails.
    """

    compares_tree = True

    only: tuple[str, ...] = Field(
        description="the paths that may change, as patterns of `.gitignore` that begin at the top: "
        "`**/*.pyc` is in any folder"
    )

    async def judge(self, observed: Observation) -> CheckResult:
        """Compare the changed paths with the patterns, which are written as in `.gitignore`."""
        changed = await observed.changed()
        is_earlier = observed.edition < EDITION
        rules = IgnoreRules({}, self.only if is_earlier else [*map(_at_top, self.only)])
        others = [one for one in changed if not rules.ignores_file(os.fsencode(one))]
        shown = ", ".join(printable(one) for one in others[:_MOST])
        more = f" and {len(others) - _MOST} more" if len(others) > _MOST else ""
        reason = f"the steps changed {shown}{more}" if others else "only allowed files changed"
        return check_result("tree", passed=not others, reason=reason, evidence="\n".join(changed))


def _at_top(pattern: str) -> str:
    """Return a pattern that matches from the top only, as one with a slash does."""
    plain = pattern.removeprefix("!")
    return pattern[: len(pattern) - len(plain)] + (f"/{plain.removeprefix('/')}" if plain else "")


part = TreeCheck
