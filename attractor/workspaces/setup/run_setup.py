"""Prepares a workspace folder: copies carried files, then runs the setup."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from attractor.base.callables import do_nothing
from attractor.base.dataclasses import dataclass
from attractor.engine.state.attempts import TreeId
from attractor.environments.environment import ExecutionEnvironment
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.objects import text_of
from attractor.workspaces.preparation import (
    OnSetup,
    Preparation,
    PreparationResult,
    PreparedState,
    SetupOutcome,
    SetupRun,
    setup_key,
)
from attractor.workspaces.run_store import FolderIndex
from attractor.workspaces.setup.cache import (
    SetupCache,
    carry,
    exists_without_links,
    is_plain_entry,
    mentions_path,
    require_carriable,
    require_read_only_paths,
    require_success,
    run_setup,
)
from attractor.workspaces.snapshot import Snapshot, SnapshotRules


@dataclass(frozen=True)
class PreparationSource:
    """The folder from which files are carried, and the recorded preparation of this folder."""

    folder: Path
    prepared_state: PreparedState | None = None


@dataclass(frozen=True)
class PreparationTarget:
    """A folder to prepare, and the index of the dimension; the setup runs on `tree`.

    `look` takes a snapshot of the folder, and `restore` restores a tree. `setups` is the cache for
    created files, if any; `tell` is called for a setup that ran.
    """

    folder: Path
    tree: TreeId
    store: ObjectStore
    index: FolderIndex
    rules: SnapshotRules
    environment: ExecutionEnvironment
    look: Callable[[], Awaitable[Snapshot]]
    restore: Callable[[TreeId], Awaitable[None]]
    setups: SetupCache | None = None
    tell: OnSetup = do_nothing

    @property
    def is_by_its_own_path(self) -> bool:
        """Whether commands see the real path of the folder; a sandbox shows another path."""
        return self.environment.working_directory() == str(self.folder.resolve())


async def prepare_folder(
    site: PreparationTarget, wanted: Preparation, source: PreparationSource, *, base: TreeId
) -> PreparationResult:
    """Carry files and run the setup, without repeating earlier work.

    The key of the setup depends on files of the base tree.
    """
    paths, shown = wanted.copied_paths, wanted.shown_paths
    require_carriable(paths, site.rules)
    require_read_only_paths(shown, site.rules, folder=source.folder, carried=paths)
    before = site.index.prepared_state()
    place = {
        "folder": "" if site.is_by_its_own_path else site.environment.working_directory(),
        "platform": site.environment.platform(),
        "version": site.environment.os_version(),
    }
    key = await setup_key(site.store, base, wanted, place=place)
    carried, lacking = await _carry(site, wanted, source, before)
    absent = tuple(path for path in shown if not is_plain_entry(source.folder, path))
    prepared = await _set_up(site, wanted, key, source, before)
    site.index.keep_prepared_state(PreparedState(key, carried, prepared.made))
    return PreparationResult(
        carried,
        (*lacking, *absent),
        tuple(path for path in shown if path not in absent),
        prepared.setup,
        prepared.made,
        prepared.undone,
        prepared.output,
        prepared.seconds,
    )


async def _carry(
    site: PreparationTarget,
    wanted: Preparation,
    source: PreparationSource,
    before: PreparedState | None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Carry missing paths; return all carried paths, and paths missing in the source."""
    paths, shown = wanted.copied_paths, wanted.shown_paths
    known = tuple(path for path in before.carried if path not in shown) if before else ()
    inherited = source.prepared_state.carried if source.prepared_state else ()
    wished = [path for path in dict.fromkeys([*paths, *inherited]) if path not in shown]
    new = [path for path in wished if path not in known]
    found = await in_thread(partial(carry, source.folder, new, site.folder)) if new else ()
    lacking = tuple(path for path in paths if path not in found and path not in known)
    return (*known, *found), lacking


async def _set_up(
    site: PreparationTarget,
    wanted: Preparation,
    key: str,
    source: PreparationSource,
    before: PreparedState | None,
) -> PreparationResult:
    if not key:
        return PreparationResult()
    if (
        before
        and before.key == key
        and all(exists_without_links(site.folder, path) for path in before.made)
    ):
        return PreparationResult(setup=SetupOutcome.DONE, made=before.made)
    theirs = source.prepared_state
    if theirs and theirs.key == key and await _may_be_copied(site, source.folder, theirs.made):
        made = await in_thread(partial(carry, source.folder, theirs.made, site.folder))
        return PreparationResult(setup=SetupOutcome.KEPT, made=tuple(made))
    cached = (
        await in_thread(partial(site.setups.restore, key, site.folder)) if site.setups else None
    )
    if cached:
        return PreparationResult(setup=SetupOutcome.KEPT, made=cached.made)
    return await _run(site, wanted, key)


async def _run(site: PreparationTarget, wanted: Preparation, key: str) -> PreparationResult:
    """Run the setup on the base tree, then restore the earlier tree of the folder."""
    before = await site.look()
    if before.tree != site.tree:
        await site.restore(site.tree)
    # What stages wrote must not reach other runs.
    is_unused = site.setups is not None and site.setups.is_unused()
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
    require_success(result, wanted.setup, wanted.setup_timeout)
    after = await site.look()
    changes = await site.store.changes(site.tree, after.tree)
    if after.tree != before.tree:
        await site.restore(before.tree)
    shown = wanted.shown_paths
    made = tuple(sorted({*after.ignored}.difference(before.ignored, shown)))
    # The setup may also have changed ignored files that existed before.
    is_for_others = not site.is_by_its_own_path and not before.ignored
    # The key does not cover the content of read-only paths.
    if site.setups and is_unused and not shown and is_for_others:
        await in_thread(partial(site.setups.save, PreparedState(key, (), made), site.folder))
    return PreparationResult(
        setup=SetupOutcome.RUN,
        made=made,
        undone=tuple(text_of(change.path) for change in changes),
        output=result.output,
        seconds=seconds,
    )


async def _may_be_copied(site: PreparationTarget, folder: Path, made: Sequence[str]) -> bool:
    """Return whether a fork can copy created files, which must not contain the folder's path."""
    if not site.is_by_its_own_path:
        return True
    return not await in_thread(partial(mentions_path, folder, made, str(folder)))
