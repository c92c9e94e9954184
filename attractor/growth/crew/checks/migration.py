"""Checks that the built app exports the state that it imported, and that its stage fits.

It runs no migration: `grow deploy` migrates the state of the running app, and proves it on a copy.
"""

from pathlib import Path

from pydantic import Field

from attractor.base.errors import UsageError
from attractor.growth.crew.app_tree import candidate_tree, copy_files
from attractor.growth.migration import read_state, state_text
from attractor.scenarios.check import CheckOptions, CheckResult, Observation, check_result
from attractor.scenarios.suite import RelativePath


class MigrationCheck(CheckOptions):
    """Passes if exported state equals the imported state byte for byte.

    Steps of the scenario run `python3 -m app import` and `python3 -m app export`.
    """

    imported: RelativePath = Field(description="the folder that a step imports")
    exported: RelativePath = Field(description="the folder that a later step exports")

    async def judge(self, observed: Observation) -> CheckResult:
        """Compare both folders, and the stage with the specification."""
        try:
            async with candidate_tree(observed) as tree:
                faults = await _lost(observed, self.imported, self.exported, tree.folder)
                if tree.stage and tree.stage.spec_hash != tree.graph.spec_hash:
                    faults.append(f"stage {tree.stage.stage} has another specification")
        except UsageError as error:
            faults = [error.message]
        reason = faults[0] if faults else "recorded state is kept byte for byte"
        evidence = "\n".join(faults)
        return check_result("migration", passed=not faults, reason=reason, evidence=evidence)


async def _lost(observed: Observation, before: str, after: str, folder: Path) -> list[str]:
    """Return the entities whose records differ."""
    await copy_files(observed, (f"{before}/*.jsonl", f"{after}/*.jsonl"), folder)
    old, new = read_state(folder / before), read_state(folder / after)
    if not any(old.values()):
        return [f"{before} has no records"]
    differing = [one for one in old if state_text(old[one]) != state_text(new.get(one, ()))]
    return [f"{one}: exported records differ from imported ones" for one in sorted(differing)]


part = MigrationCheck
