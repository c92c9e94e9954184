"""The workspace of a child run: that of its parent's stage, with dimensions of its own."""

from collections.abc import Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.engine.seams import PATCH_LIMIT, Base, Workspace
from attractor.engine.state.identifiers import TreeId
from attractor.environments.environment import ExecutionEnvironment


@dataclass(frozen=True)
class ChildWorkspace:
    """Works where its parent does.

    Branches of a child go by the same names as those of its parent, or of another child that runs
    at the same time: before each name stands that of the child.
    """

    parent: Workspace
    child: str

    @property
    def base(self) -> Base:
        """What it was made from."""
        return self.parent.base

    @property
    def environment(self) -> ExecutionEnvironment:
        """The environment of the stage in flight."""
        return self.parent.environment

    async def snapshot(self, subject: str) -> TreeId:
        """Keep the folder as it is under its tree's id."""
        return await self.parent.snapshot(subject)

    async def restore(self, tree: TreeId, *, set_aside: Path | None = None) -> None:
        """Make the folder a tree again."""
        await self.parent.restore(tree, set_aside=set_aside)

    async def changed(self, since: TreeId, until: TreeId) -> Sequence[str]:
        """Return the paths in which two trees differ."""
        return await self.parent.changed(since, until)

    async def patch(self, since: TreeId, until: TreeId, *, most: int = PATCH_LIMIT) -> str:
        """Return what leads from one tree to another, for people."""
        return await self.parent.patch(since, until, most=most)

    async def diff(self, since: TreeId, until: TreeId, *, most: int, binary: bool = True) -> bytes:
        """Return the first bytes of what leads from one tree to another."""
        return await self.parent.diff(since, until, most=most, binary=binary)

    async def export(self, tree: TreeId, to: Path) -> None:
        """Write a tree's files into a folder."""
        await self.parent.export(tree, to)

    async def fork(self, name: str, tree: TreeId, *, shared: bool = False) -> "ChildWorkspace":
        """Return a dimension of the child by its name."""
        forked = await self.parent.fork(self._own(name), tree, shared=shared)
        return ChildWorkspace(forked, self.child)

    async def discard(self, name: str) -> None:
        """Remove the folder of a dimension of the child."""
        await self.parent.discard(self._own(name))

    async def adopt(self, trees: Sequence[TreeId], *, base: TreeId) -> Sequence[str]:
        """Make the folder one tree, or several put together that come from one base."""
        return await self.parent.adopt(trees, base=base)

    async def close(self) -> None:
        """Give up what the workspace holds open."""
        await self.parent.close()

    def _own(self, name: str) -> str:
        return f"{self.child}/{name}"
