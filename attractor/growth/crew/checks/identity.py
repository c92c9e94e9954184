"""Checks that the identity of an app is unchanged, and that its guards cannot be passed by."""

from pydantic import Field

from attractor.base.errors import UsageError
from attractor.base.json import canonical_json, content_hash
from attractor.growth.crew.app_tree import candidate_tree
from attractor.growth.crew.handlers.safety import breaches_of
from attractor.growth.specification.document import identity_of
from attractor.growth.specification.graph import SpecGraph
from attractor.scenarios.check import CheckOptions, CheckResult, Observation, check_result


class IdentityCheck(CheckOptions):
    """Passes if the identity in the tree is the sealed one, and each predicate about it holds."""

    hash: str = Field(
        description="the sealed hash of the identity, which `attractor grow identity` prints"
    )

    async def judge(self, observed: Observation) -> CheckResult:
        """Read the specification of the candidate, and judge it."""
        try:
            async with candidate_tree(observed) as tree:
                found = identity_hash(tree.graph)
                faults = [*breaches_of(tree.graph, tree)]
        except UsageError as error:
            reason = error.message
            return check_result("identity", passed=False, reason=reason, evidence=reason)
        if found != self.hash:
            faults.insert(0, f"the identity has the hash {found}, not {self.hash}")
        reason = faults[0] if faults else "the identity is unchanged, and its predicates hold"
        return check_result("identity", passed=not faults, reason=reason, evidence=found)


def identity_hash(graph: SpecGraph) -> str:
    """Return the hash of the four fields that never change in a lineage."""
    return content_hash(canonical_json(dict(identity_of(graph))).encode())


part = IdentityCheck
