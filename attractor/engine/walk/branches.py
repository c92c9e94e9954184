"""Walks the branches of one attempt, each from where the journal has it (ruling R6)."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import AttractorError
from attractor.engine.context import WholeValues, put_aside
from attractor.engine.journal.events import ParallelBranchCompleted, ParallelBranchStarted
from attractor.engine.routing.branch_bounds import Bounds
from attractor.engine.seams import Stopped
from attractor.engine.state.branches import GIVEN_UP, Branch, BranchEnd, canceled, end_of
from attractor.engine.state.identifiers import StageReference, attempt_key, branch_key
from attractor.engine.state.walks import Strands, WalkState, last_tree, siblings, with_all_that_left
from attractor.engine.walk.steps import Walk
from attractor.engine.walk.walk import WalkHandle
from attractor.language.graph.branches import Fork

_NOT_NEEDED = "the join policy needs it no more"


_TOO_LATE = "the stage ended before it"


@dataclass(frozen=True)
class RunBranches:
    """Walks branches that leave one walk at one attempt (ruling R6)."""

    line: WalkHandle
    place: StageReference

    @property
    def fork(self) -> Fork | None:
        """Where the ways out of the node lead, and where they meet."""
        return self.line.journey.branch_bounds.fork(self.place.node or "")

    @property
    def at_once(self) -> int | None:
        """As many as are wanted."""
        return None

    async def walk(self, branch: Branch, *, isolated: bool) -> BranchEnd:
        """Walk a branch to its end; one that has ended is not walked again."""
        key = self._key(branch)
        with _stopping():
            is_new = key not in self._strands
            if is_new:
                self._begin(branch, key, isolated=isolated)
            if not self._strands[key].is_over:
                await self._walk(branch, key, is_new=is_new)
            await self._discard(key)
            return await self._end(branch, key)

    async def give_up(self, branch: Branch) -> BranchEnd:
        """Note that a branch is not wanted any more; of one that never began there is no word."""
        key = self._key(branch)
        if key not in self._strands:
            return canceled(branch, key)
        with _stopping():
            await self._give_up(key, _NOT_NEEDED)
            return await self._end(branch, key)

    async def give_up_rest(self) -> None:
        """Give up every branch that began and has not ended."""
        with _stopping():
            for key in self._numbers:
                await self._give_up(key, _TOO_LATE)

    def _key(self, branch: Branch) -> str:
        return branch_key(self._attempt, branch.name)

    @property
    def _attempt(self) -> str:
        node, visit, attempt = self.place.node, self.place.visit, self.place.attempt
        return attempt_key(self.line.key, node or "", visit or 1, attempt or 1)

    @property
    def _strands(self) -> Strands:
        return self.line.run.state.strands

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """The branches that began, in their order, each with its number."""
        begun = siblings(self._strands, self.line.key, self._attempt)
        return {key: number for number, key in enumerate(begun)}

    def _begin(self, branch: Branch, key: str, *, isolated: bool) -> None:
        number = len(self._numbers)
        started = ParallelBranchStarted(
            branch=branch.name,
            index=number,
            parent=self.line.key,
            start=branch.start,
            until=branch.until,
            isolated=isolated,
            updates=put_aside(branch.updates, self.line.run.blobs),
        )
        self.line.run.record(started, place=self._place(key))
        self._numbers[key] = number

    async def _walk(self, branch: Branch, key: str, *, is_new: bool) -> None:
        strand = self._strands[key]
        is_shared = not _is_isolated(key, strand)
        tree = last_tree(self._strands, strand.workspace)
        workspace = await self.line.workspace.fork(key, tree, shared=is_shared)
        try:
            if not (is_new or is_shared or self.line.journey.has_child_in(strand.workspace)):
                await workspace.restore(tree, set_aside=self._aside())
            line = replace(self.line, workspace=workspace, key=key, is_shared=is_shared)
            outside = self.line.journey.branch_bounds.outside(self.place.node or "")
            await Walk(line, Bounds(branch.until, outside)).go()
        finally:
            await workspace.close()
        if end := self._strands[key].progress.end:
            self._complete(key, end.status.value, end.reason)

    async def _give_up(self, key: str, reason: str) -> None:
        if not self._strands[key].is_over:
            self._complete(key, GIVEN_UP, reason)
        await self._discard(key)

    async def _discard(self, key: str) -> None:
        """Remove the folders of a branch that is over: all that was made there is in the store."""
        for one in with_all_that_left(self._strands, key):
            self.line.journey.threads.forget(one)
            if _is_isolated(one, self._strands[one]):
                await self.line.workspace.discard(one)

    async def _end(self, branch: Branch, key: str) -> BranchEnd:
        strand = self._strands[key]
        if strand.is_given_up:
            return canceled(branch, key)
        end = end_of(branch, key, self.line.progress, strand.progress)
        # Whole, for handlers put them together and hand them on.
        end = changed(end, updates=dict(WholeValues(end.updates, self.line.run.blobs)))
        is_changed = bool(end.tree) and end.tree != end.base
        paths = await self.line.workspace.changed(end.base, end.tree) if is_changed else ()
        # What all branches put into one workspace is there already: nothing is to be taken over.
        return changed(end, changed=paths, tree=end.tree if _is_isolated(key, strand) else "")

    def _complete(self, key: str, outcome: str, reason: str) -> None:
        strand = self._strands[key]
        completed = ParallelBranchCompleted(
            branch=strand.name,
            index=self._numbers[key],
            duration=round(strand.progress.seconds, 3),
            success=outcome in ("success", "partial_success"),
            outcome=outcome,
            reason=reason,
        )
        self.line.run.record(completed, place=self._place(key))

    def _place(self, key: str) -> StageReference:
        return changed(self.place, branch=key)

    def _aside(self) -> Path:
        """Return where half-made edits of a branch that was interrupted go."""
        return self.line.run.directory.incidents / f"resumed-at-{self.line.run.events.head.seq}"


def _is_isolated(key: str, strand: WalkState) -> bool:
    return strand.workspace == key


@contextmanager
def _stopping() -> Generator[None]:
    """Stop the run when the journal cannot take something, or a tree cannot be had.

    No stage is to blame for that, so it is no outcome of one.
    """
    try:
        yield
    except AttractorError as trouble:
        raise Stopped(str(trouble)) from trouble
