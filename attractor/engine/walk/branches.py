"""Walks the branches of one attempt, each from its last recorded step (ruling R6).

A branch begins with `ParallelBranchStarted` and walks like a run, within `Bounds`: until the node
where the branches of its fork meet. It ends there with `ParallelBranchCompleted`. The step of the
fork itself is recorded after all branches; folding it joins them (`state/walks.py`).
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import AttractorError
from attractor.engine.context import ResolvedValues, store_large_values
from attractor.engine.journal.events import ParallelBranchCompleted, ParallelBranchStarted
from attractor.engine.routing.next_move import Bounds, BranchBounds
from attractor.engine.seams import Stopped
from attractor.engine.state.attempts import StageReference, attempt_key, branch_key
from attractor.engine.state.walks import (
    GIVEN_UP,
    Branch,
    BranchEnd,
    Walks,
    WalkState,
    branch_end,
    branches_of_attempt,
    canceled_branch,
    last_tree,
    with_inner_branches,
)
from attractor.engine.walk.steps import walk_to_end
from attractor.engine.walk.walk import Walk
from attractor.language.graph.branches import Fork

_NOT_NEEDED = "the join policy no longer needs it"
_TOO_LATE = "the stage ended before the branch ended"


@dataclass(frozen=True)
class RunBranches:
    """Executes the branches that start at one attempt of a stage (`place`) in the walk `parent`."""

    bounds: BranchBounds
    parent: Walk
    place: StageReference

    @property
    def fork(self) -> Fork | None:
        """The targets of the node's edges, and the node where the branches meet."""
        return self.bounds.fork(self.place.node or "")

    @property
    def at_once(self) -> int | None:
        """Return None: there is no limit on the number of concurrent branches."""
        return None

    async def walk(self, branch: Branch, *, isolated: bool) -> BranchEnd:
        """Walk a branch to its end, unless the branch has ended already."""
        key = self._key(branch)
        with _stopping():
            is_new = key not in self._walks
            if is_new:
                self._begin(branch, key, isolated=isolated)
            if not self._walks[key].is_over:
                await self._walk(branch, key, is_new=is_new)
            await self._discard(key)
            return await self._end(branch, key)

    async def give_up(self, branch: Branch) -> BranchEnd:
        """Cancel a branch; a branch that never began leaves no event."""
        key = self._key(branch)
        if key not in self._walks:
            return canceled_branch(branch, key)
        with _stopping():
            await self._give_up(key, _NOT_NEEDED)
            return await self._end(branch, key)

    async def give_up_rest(self) -> None:
        """Cancel every branch that began and has not ended."""
        with _stopping():
            for key in self._numbers:
                await self._give_up(key, _TOO_LATE)

    def _key(self, branch: Branch) -> str:
        return branch_key(self._attempt, branch.name)

    @property
    def _attempt(self) -> str:
        node, visit, attempt = self.place.node, self.place.visit, self.place.attempt
        return attempt_key(self.parent.key, node or "", visit or 1, attempt or 1)

    @property
    def _walks(self) -> Walks:
        return self.parent.run.state.walks

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """The number of each branch that began, by key, in the order of their start."""
        begun = branches_of_attempt(self._walks, self.parent.key, self._attempt)
        return {key: number for number, key in enumerate(begun)}

    def _begin(self, branch: Branch, key: str, *, isolated: bool) -> None:
        number = len(self._numbers)
        started = ParallelBranchStarted(
            branch=branch.name,
            index=number,
            parent=self.parent.key,
            start=branch.start,
            until=branch.until,
            isolated=isolated,
            updates=store_large_values(branch.updates, self.parent.run.blobs),
        )
        self.parent.run.record(started, place=changed(self.place, branch=key))
        self._numbers[key] = number

    async def _walk(self, branch: Branch, key: str, *, is_new: bool) -> None:
        state, run = self._walks[key], self.parent.run
        is_shared = not _is_isolated(key, state)
        tree = last_tree(self._walks, state.workspace)
        workspace = await self.parent.workspace.fork(key, tree, shared=is_shared)
        try:
            if not (is_new or is_shared or self.parent.has_child_in(state.workspace)):
                # Move the partial edits of an interrupted branch aside.
                aside = run.directory.incidents / f"resumed-at-{run.events.head.seq}"
                await workspace.restore(tree, set_aside=aside)
            walk = replace(
                self.parent,
                workspace=workspace,
                key=key,
                is_shared=is_shared,
                bounds=Bounds(branch.until, self.bounds.outside(self.place.node or "")),
            )
            await walk_to_end(walk)
        finally:
            await workspace.close()
        if end := self._walks[key].progress.end:
            self._complete(key, end.status.value, end.reason)

    async def _give_up(self, key: str, reason: str) -> None:
        if not self._walks[key].is_over:
            self._complete(key, GIVEN_UP, reason)
        await self._discard(key)

    async def _discard(self, key: str) -> None:
        """Remove the folder of a branch that has ended; its trees remain in the object store."""
        for inner in with_inner_branches(self._walks, key):
            self.parent.threads.forget(inner)
            if _is_isolated(inner, self._walks[inner]):
                await self.parent.workspace.discard(inner)

    async def _end(self, branch: Branch, key: str) -> BranchEnd:
        state = self._walks[key]
        if state.is_given_up:
            return canceled_branch(branch, key)
        end = branch_end(branch, key, self.parent.progress, state.progress)
        # Resolve references, because handlers pass the values on.
        end = changed(end, updates=dict(ResolvedValues(end.updates, self.parent.run.blobs)))
        is_changed = bool(end.tree) and end.tree != end.base
        paths = await self.parent.workspace.changed(end.base, end.tree) if is_changed else ()
        # A shared workspace already has the changes, so no tree is adopted.
        return changed(end, changed=paths, tree=end.tree if _is_isolated(key, state) else "")

    def _complete(self, key: str, outcome: str, reason: str) -> None:
        state = self._walks[key]
        completed = ParallelBranchCompleted(
            branch=state.name,
            index=self._numbers[key],
            duration=round(state.progress.seconds, 3),
            success=outcome in ("success", "partial_success"),
            outcome=outcome,
            reason=reason,
        )
        self.parent.run.record(completed, place=changed(self.place, branch=key))
        self.parent.waits.update()


def _is_isolated(key: str, state: WalkState) -> bool:
    return state.workspace == key


@contextmanager
def _stopping() -> Generator[None]:
    """Stop the run if the journal or a tree fails, because such an error is not a failure of a
    stage.
    """
    try:
        yield
    except AttractorError as trouble:
        raise Stopped(str(trouble)) from trouble
