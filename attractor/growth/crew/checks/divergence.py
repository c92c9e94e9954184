"""Checks that the app matches its specification: skeletons byte for byte, bodies recorded."""

from attractor.base.errors import UsageError
from attractor.growth.apps.divergence import find_divergence
from attractor.growth.crew.app_tree import candidate_tree
from attractor.scenarios.check import CheckOptions, CheckResult, Observation, check_result


class DivergenceCheck(CheckOptions):
    """Passes if no generated file differs from its specification, and every body is written."""

    async def judge(self, observed: Observation) -> CheckResult:
        """Generate the skeleton anew, and compare."""
        try:
            async with candidate_tree(observed) as tree:
                faults = [f"{one.path}: {one.kind}" for one in find_divergence(tree.folder)]
                faults += [f"{body}: not written" for body in tree.unwritten_bodies()]
        except UsageError as error:
            faults = [error.message]
        reason = faults[0] if faults else "the app matches its specification"
        evidence = "\n".join(faults)
        return check_result("divergence", passed=not faults, reason=reason, evidence=evidence)


part = DivergenceCheck
