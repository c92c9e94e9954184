"""Makes a folder fit to work in: what is carried there first, then the setup.

What is shown there read-only is for its environment; here it only must not be copied or kept.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.engine.state.identifiers import TreeId
from attractor.environments.environment import ExecutionEnvironment
from attractor.workspaces.dimension_index import Index
from attractor.workspaces.files import in_thread
from attractor.workspaces.git.object_store import Store
from attractor.workspaces.git.trees import text_of
from attractor.workspaces.setup.cache import Setups, mention_path, require_done, run_setup
from attractor.workspaces.setup.ignored_files import (
    carry,
    is_showable,
    is_there,
    require_carriable,
    require_showable,
)
from attractor.workspaces.setup.preparation import (
    OnSetup,
    Preparation,
    Prepared,
    Readiness,
    SetupRun,
    SetupWas,
    setup_key,
)
from attractor.workspaces.snapshot import Rules, Snapshot


@dataclass(frozen=True)
class Source:
    """Where things are carried from; it may be a folder that was made fit itself."""

    folder: Path
    readiness: Readiness | None = None


@dataclass(frozen=True)
class Site:
    """A folder that is to be made fit, with its index; its setup runs on a tree.

    `look` takes the folder as it is, and `restore` makes it a tree. What a setup makes is kept in
    `setups`, if at all, and `tell` is told of one that was run.
    """

    folder: Path
    tree: TreeId
    store: Store
    index: Index
    rules: Rules
    environment: ExecutionEnvironment
    look: Callable[[], Awaitable[Snapshot]]
    restore: Callable[[TreeId], Awaitable[None]]
    setups: Setups | None = None
    tell: OnSetup = do_nothing

    @property
    def is_by_its_own_path(self) -> bool:
        """Whether commands see the folder where it is; in a sandbox all have one path inside."""
        return self.environment.working_directory() == str(self.folder.resolve())


async def make_fit(site: Site, wanted: Preparation, source: Source, *, base: TreeId) -> Prepared:
    """Carry what is wanted, and see that the setup was run; what was done before is not repeated.

    The setup is told apart by files of the base.
    """
    paths, shown = wanted.copied_paths, wanted.shown_paths
    require_carriable(paths, site.rules)
    require_showable(shown, site.rules, folder=source.folder, carried=paths)
    before = site.index.readiness()
    key = await setup_key(site.store, base, wanted, place=_place(site))
    carried, lacking = await _carry(site, wanted, source, before)
    absent = tuple(path for path in shown if not is_showable(source.folder, path))
    prepared = await _set_up(site, wanted, key, source, before)
    site.index.keep_readiness(Readiness(key, carried, prepared.made))
    return Prepared(
        carried,
        (*lacking, *absent),
        tuple(path for path in shown if path not in absent),
        prepared.setup,
        prepared.made,
        prepared.undone,
        prepared.output,
        prepared.seconds,
    )


def _place(site: Site) -> dict[str, str]:
    environment = site.environment
    return {
        "folder": "" if site.is_by_its_own_path else environment.working_directory(),
        "platform": environment.platform(),
        "version": environment.os_version(),
    }


async def _carry(
    site: Site, wanted: Preparation, source: Source, before: Readiness | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Carry what was not carried before; return what was carried by now, and what is not there."""
    paths, shown = wanted.copied_paths, wanted.shown_paths
    known = tuple(path for path in before.carried if path not in shown) if before else ()
    inherited = source.readiness.carried if source.readiness else ()
    wished = [path for path in dict.fromkeys([*paths, *inherited]) if path not in shown]
    new = [path for path in wished if path not in known]
    found = await in_thread(partial(carry, source.folder, new, site.folder)) if new else ()
    lacking = tuple(path for path in paths if path not in found and path not in known)
    return (*known, *found), lacking


async def _set_up(
    site: Site, wanted: Preparation, key: str, source: Source, before: Readiness | None
) -> Prepared:
    if not key:
        return Prepared()
    if before and before.key == key and all(is_there(site.folder, one) for one in before.made):
        return Prepared(setup=SetupWas.DONE, made=before.made)
    theirs = source.readiness
    if theirs and theirs.key == key and await _may_be_taken(site, source.folder, theirs.made):
        made = await in_thread(partial(carry, source.folder, theirs.made, site.folder))
        return Prepared(setup=SetupWas.KEPT, made=tuple(made))
    kept = await in_thread(partial(site.setups.take, key, site.folder)) if site.setups else None
    if kept:
        return Prepared(setup=SetupWas.KEPT, made=kept.made)
    return await _run(site, wanted, key)


async def _run(site: Site, wanted: Preparation, key: str) -> Prepared:
    """Run the setup on its tree; then the folder has the tree again that it had before."""
    before = await site.look()
    if before.tree != site.tree:
        await site.restore(site.tree)
    result = await run_setup(site.environment, wanted.setup, wanted.setup_timeout)
    seconds = round(result.duration_ms / 1000, 3)
    site.tell(
        SetupRun(
            site.index.name,
            wanted.setup,
            result.exit_code,
            seconds,
            result.output,
            timed_out=result.timed_out,
        )
    )
    require_done(result, wanted.setup, wanted.setup_timeout)
    after = await site.look()
    changes = await site.store.changes(site.tree, after.tree)
    if after.tree != before.tree:
        await site.restore(before.tree)
    shown = wanted.shown_paths
    made = tuple(sorted({*after.ignored}.difference(before.ignored, shown)))
    # What the setup found in what is shown is no part of the key.
    if site.setups and not shown and _may_be_kept(site, before):
        await in_thread(partial(site.setups.keep, Readiness(key, (), made), site.folder))
    return Prepared(
        setup=SetupWas.RUN,
        made=made,
        undone=tuple(text_of(change.path) for change in changes),
        output=result.output,
        seconds=seconds,
    )


def _may_be_kept(site: Site, before: Snapshot) -> bool:
    """Say whether other runs could have what was made: nothing lies elsewhere, and it is whole.

    What was ignored already may have been changed too, and nobody can tell.
    """
    return not site.is_by_its_own_path and not before.ignored


async def _may_be_taken(site: Site, folder: Path, made: Sequence[str]) -> bool:
    """Say whether a fork could have what was made in another folder: it must not name its place."""
    if not site.is_by_its_own_path:
        return True
    return not await in_thread(partial(mention_path, folder, made, str(folder)))
