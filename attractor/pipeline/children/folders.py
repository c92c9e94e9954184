"""Makes the directory of a child, within that of its parent.

The workspace of a child: that of the stage it is run for, with dimensions of its own.
"""

import re
import shutil
from collections import deque
from collections.abc import Sequence
from itertools import count, takewhile
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_trouble, sync_folder
from attractor.base.ids import new_run_id
from attractor.engine.errors import NotRunnable
from attractor.engine.run_folder.layout import (
    Manifest,
    RunDirectory,
    create_run_directory,
    read_manifest,
)
from attractor.engine.seams import PATCH_LIMIT, Base, Workspace
from attractor.engine.state.identifiers import TreeId
from attractor.engine.state.progress import Progress
from attractor.environments.environment import ExecutionEnvironment
from attractor.language.diagnostics import error
from attractor.language.graph.graph import folder_name
from attractor.pipeline.host import RunHost
from attractor.pipeline.options import RunOptions
from attractor.pipeline.preflight.secrets import find_told_secrets, kept_record
from attractor.pipeline.source import PipelineSource, known_in, open_pipeline

_STAGE = re.compile(r"(?P<node>.*)@(?P<attempt>[0-9]+\.[0-9]+)", re.DOTALL)


def child_directory(parent: RunDirectory, name: str) -> RunDirectory:
    """Return where the child of a name lies, whether it was made or not."""
    return RunDirectory(parent.children / child_folder(name))


def child_folder(name: str) -> str:
    """Return the folder of a child: that of its node, with the numbers of visit and attempt."""
    found = _STAGE.fullmatch(name)
    return f"{folder_name(found['node'])}@{found['attempt']}" if found else folder_name(name)


def newest_round(first: RunDirectory) -> RunDirectory:
    """Return where the last run lies that goes on in place of a child; without one, the child."""
    rounds = takewhile(lambda one: one.manifest.exists(), (_round(first, at) for at in count(1)))
    return next(iter(deque(rounds, maxlen=1)), first)


def next_round(first: RunDirectory, progress: Progress) -> RunDirectory:
    """Return where the run is to lie that goes on in place of one that has come so far."""
    return _round(first, progress.restarts + 1)


def round_before(first: RunDirectory, manifest: Manifest) -> RunDirectory:
    """Return where the run lies that another one goes on in place of."""
    return _round(first, manifest.restart - 1)


def whole_of(root: Path) -> str:
    """Return the id of the run that the run of a directory is part of."""
    return read_manifest(RunDirectory(root.parent.parent)).run_id


def _round(first: RunDirectory, number: int) -> RunDirectory:
    if number == 0:
        return first
    return RunDirectory(first.root.with_name(f"{first.root.name}.restart{number}"))


def make_child_directory(
    directory: RunDirectory, parent: Manifest, options: RunOptions, world: RunHost, *, base: Base
) -> None:
    """Read the pipeline of a child from its file, and make the directory of its run."""
    pipeline = open_pipeline(str(options.file), inputs=options.inputs, known=known_in(world))
    _require_no_secrets(pipeline, world)
    now = world.clock.now()
    manifest = Manifest(
        run_id=new_run_id(now, world.randomness),
        pipeline=pipeline.graph.name,
        goal=pipeline.graph.goal,
        started=now,
        content_hash=pipeline.content_hash,
        base=base,
        parent=parent.run_id,
        options=kept_record(options, world.redactor),
        versions={"attractor": world.version},
        promises=parent.promises,
    )
    clear_half_made(directory.root)
    create_run_directory(
        directory.root,
        manifest,
        pipeline.text,
        files=pipeline.files,
        redactor=world.redactor,
    )
    # The folder of the children may be new as well.
    sync_folder(directory.root.parent.parent)


def _require_no_secrets(pipeline: PipelineSource, world: RunHost) -> None:
    """Refuse what was written since the run began: a secret in it, or one that it would show."""
    faults = [*find_told_secrets(pipeline, world.redactor, world.environ)]
    for name, value in pipeline.shown.items():
        if value in world.secrets:
            told = f"the input {name} is given a secret, and is not declared as one"
            faults.append(error(told, pipeline.graph.span, fix=f"declare {name}:secret"))
    if faults:
        raise NotRunnable(pipeline.graph.name, faults)


def clear_half_made(root: Path) -> None:
    """Remove half a directory, whose maker was killed."""
    try:
        if root.exists():
            shutil.rmtree(root)
    except OSError as cause:
        raise file_trouble("remove", root, cause) from cause


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
