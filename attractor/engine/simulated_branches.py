"""The branches of one attempt in a simulation: each walked whole, one after the other."""

from collections.abc import Awaitable, Callable
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.engine.branch_bounds import BranchBounds
from attractor.engine.branching import attempt_key, branch_key, canceled, end_of, fork_off
from attractor.engine.moves import Bounds
from attractor.engine.progress import Progress
from attractor.engine.seams import Branch, BranchEnd
from attractor.language.graph.branches import Fork

WalkOn = Callable[[Progress, str, Bounds], Awaitable[Progress]]
"""Walks from where a branch is to its end; the branch goes by its key."""


@dataclass(frozen=True)
class SimulatedBranches:
    """Walks branches that leave a walk at one attempt; `walked` are those that ended, by key."""

    parent: Progress
    key: str
    node: str
    visit: int
    attempt: int
    bounds: BranchBounds
    walk_on: WalkOn
    walked: dict[str, Progress] = field(default_factory=dict[str, Progress])

    @property
    def fork(self) -> Fork | None:
        """Where the ways out of the node lead, and where they meet."""
        return self.bounds.fork(self.node)

    @property
    def at_once(self) -> int | None:
        """One: nothing takes any time here, so none could end before another one."""
        return 1

    async def walk(self, branch: Branch, *, isolated: bool) -> BranchEnd:
        """Walk a branch to its end, unless it was walked before."""
        key = self._key(branch)
        if key not in self.walked:
            bounds = Bounds(branch.until, self.bounds.outside(self.node))
            self.walked[key] = await self.walk_on(fork_off(self.parent, branch), key, bounds)
        return end_of(branch, key, self.parent, self.walked[key])

    async def give_up(self, branch: Branch) -> BranchEnd:
        """Say that a branch is not wanted any more; one may have ended."""
        key = self._key(branch)
        walked = self.walked.get(key)
        return end_of(branch, key, self.parent, walked) if walked else canceled(branch, key)

    async def give_up_rest(self) -> None:
        """Leave it at that: what began has ended."""

    def _key(self, branch: Branch) -> str:
        attempt = attempt_key(self.key, self.node, self.visit, self.attempt)
        return branch_key(attempt, branch.name)
