"""Removes the leftovers of ended runs: folders and processes."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.errors import AttractorError, LockHeld, UsageError
from attractor.base.ids import time_of
from attractor.base.json import Json
from attractor.base.locks import FileLock
from attractor.base.records import write_fields
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import Manifest, RunDirectory, is_held, read_manifest
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.engine.run_folder.result import Landing
from attractor.engine.state.run_state import (
    AWAITING_ANSWER,
    AWAITING_DECISION,
    EVALUATING,
    RunStatus,
    StatusWord,
)
from attractor.environments.orphan_processes import (
    Process,
    find_orphans,
    kill_orphans,
    kill_orphans_blocking,
    runs_with_orphans,
)
from attractor.language.source.text import visible
from attractor.pipeline.project.project import Project
from attractor.pipeline.project.run_scope import RunScope
from attractor.pipeline.workspace.place import (
    find_placed,
    last_exchange,
    name_of,
    placed_dimensions,
    placed_owners,
    remove_placed,
)
from attractor.records.lookup import list_folders, outermost_run_id, reference_of
from attractor.records.request import read_request
from attractor.records.summary import RESULT_LANDED, find_branch_moves
from attractor.workspaces.cleanup import (
    DiskUsage,
    base_refs,
    find_run_branch,
    has_base_ref,
    remove_base_ref,
    remove_run_branch,
    remove_store,
    remove_workspace_folder,
    stored_run,
    stored_run_ids,
)
from attractor.workspaces.errors import NotARepository
from attractor.workspaces.folders import abandoned_folders, workspaces_folder
from attractor.workspaces.git.files import in_thread
from attractor.workspaces.git.repository import Git, open_repository
from attractor.workspaces.landings import find_landings
from attractor.workspaces.run_store import recorded_folders

LEFT_RUNNING_ENDED = "LeftRunningEnded"
"""The event with the processes of an earlier runner that were ended."""

MOST_NAMED = 20
"""The maximum number of processes that the event names; the event counts all processes."""

_KEEPS_ALL = "bubblewrap"
"""The sandbox in which all processes end together with the runner."""


async def end_orphans(run: OpenRun) -> Sequence[Process]:
    """End the processes of an earlier runner, before the workspace is opened."""
    root = run.directory.root
    ended = await kill_orphans(outermost_run_id(root)) if _may_leave(run.manifest) else ()
    _record_ended(run, ended)
    return ended


def end_orphans_blocking(run: OpenRun) -> Sequence[Process]:
    """End the processes of an earlier runner, and block until they are gone."""
    root = run.directory.root
    ended = kill_orphans_blocking(outermost_run_id(root)) if _may_leave(run.manifest) else ()
    _record_ended(run, ended)
    return ended


async def end_orphans_of(root: Path, scope: RunScope) -> None:
    """End the processes that another run, killed in the same folder, left running."""
    clock = scope.project.machine.clock
    with open_run(root, clock=clock, redactor=scope.redactor, before_end=None) as other:
        ended = await end_orphans(other)
    if ended:
        run_id = other.manifest.run_id
        scope.project.console.tell(
            f"Ended processes that {run_id} had left running: {name_processes(ended)}."
        )


def name_processes(processes: Sequence[Process]) -> str:
    """Return the names and ids of processes, for people."""
    named = ", ".join(f"{one.name} ({one.number})" for one in processes[:MOST_NAMED])
    more = len(processes) - MOST_NAMED
    # The name of a process may contain control characters.
    return visible(f"{named} and {more} more" if more > 0 else named)


def _may_leave(manifest: Manifest) -> bool:
    return manifest.options.get("sandbox") != _KEEPS_ALL


def _record_ended(run: OpenRun, ended: Sequence[Process]) -> None:
    if ended:
        named: list[Json] = [{"pid": one.number, "name": one.name} for one in ended[:MOST_NAMED]]
        run.emit(LEFT_RUNNING_ENDED, {"count": len(ended), "processes": named}, sync=True)


BEING_MADE = timedelta(hours=1)
"""The minimum age at which a run without a directory counts as lost and not as just created."""

YET = " (too recent)"
"""The end of the reason for files that are only kept because of their age."""


@dataclass(frozen=True)
class Whereabouts:
    """The possible directories of a run, and whether its result is on a branch.

    `is_promoted` means that it was promoted and not rolled back, `is_approved` that a person
    approved it; `landing` is where a person has merged it. `is_known` means that a sealed record
    contains the start of the run; the first directory comes from this record. The last directory is
    in the runs folder of the project.
    """

    places: Sequence[Path] = ()
    is_known: bool = False
    is_promoted: bool = False
    landing: Landing | None = None
    is_approved: bool = False

    @property
    def has_landed(self) -> bool:
        """Whether a branch has the result, and no later commit reverted it."""
        return self.landing is not None and not self.landing.reverted_on


@dataclass(frozen=True)
class Keeping:
    """Whether files are needed, and the reason; `directory` is the run directory, if it exists.

    With `may_ask`, a person may decide that they are not.
    """

    is_needed: bool
    why: str
    directory: Path | None = None
    may_ask: bool = False


@dataclass(frozen=True)
class Rules:
    """The rules for removing: the minimum age, and whether runs of missing projects count."""

    now: datetime
    older_than: timedelta
    missing_projects: bool = False


def need_of(run_id: str, where: Whereabouts, rules: Rules) -> Keeping:
    """Return whether the files of a run are needed."""
    directory = _find(run_id, where.places)
    if directory is None:
        return _lost(run_id, where, rules)
    try:
        if is_held(directory.lock):
            return Keeping(True, "a process is running it", directory.root)
        has_suite = bool(read_manifest(directory).suite)
        found = open_journal(directory.events, directory.checkpoint)
    except AttractorError as trouble:
        return Keeping(True, f"its records are corrupt: {trouble}", directory.root)
    status = found.state.status
    moves = find_branch_moves(directory, found.state)
    # The branch of the run is gone if an earlier collection freed the run.
    where = replace(where, landing=where.landing or moves.landing)
    if why := _reason_to_keep(directory.root, status, where, has_suite=has_suite):
        return Keeping(True, why, directory.root)
    age = rules.now - datetime.fromtimestamp(directory.events.stat().st_mtime, UTC)
    if status.word is StatusWord.APPROVED and not where.is_promoted:
        return _unpromoted(where.landing, moves.rolled_back_from, age, rules, directory.root)
    why = f"it landed on {where.landing}" if where.has_landed else f"it is {status}"
    return _by_age(why, age, rules.older_than, directory.root)


def _unpromoted(
    landing: Landing | None,
    rolled_back_from: str,
    age: timedelta,
    rules: Rules,
    root: Path | None,
) -> Keeping:
    """Return whether an approved run that is not promoted is needed: only a person says no."""
    if rolled_back_from:
        why = f"it was approved, but rolled back from {rolled_back_from}"
    elif landing:
        why = f"it was approved and landed on {landing}, but is not promoted"
    else:
        return Keeping(True, "it was approved, but is not promoted yet", root)
    need = _by_age(why, age, rules.older_than, root)
    return replace(need, is_needed=True, may_ask=not need.is_needed)


def _reason_to_keep(root: Path, status: RunStatus, where: Whereabouts, *, has_suite: bool) -> str:
    if status in (AWAITING_DECISION, EVALUATING) and not has_suite:
        if where.has_landed:
            return ""
        name = reference_of(root, where.places[-1].parent)
        landed = f"it landed on {where.landing}" if where.landing else "no branch has its result"
        return f"no suite judges it, and {landed} (end it: attractor cancel {name})"
    if status == AWAITING_DECISION:
        return "it waits for a decision"
    if status == AWAITING_ANSWER:
        return "it waits for an answer"
    if status == EVALUATING:
        return "it waits for its evaluation"
    return "" if status.is_final else "it can be resumed"


def _lost(run_id: str, where: Whereabouts, rules: Rules) -> Keeping:
    """Return whether a run without a directory is needed: the runs folder or the project may be
    moved.
    """
    try:
        age = rules.now - time_of(run_id)
    except UsageError:
        return Keeping(True, "its name is not a run id")
    if not where.is_known:
        why = "no recorded run uses it"
    elif (is_there := _is_there(where.places[0].parent)) or rules.missing_projects:
        why = "its run directory is gone"
        if is_there and where.is_approved and not where.is_promoted:
            need = _unpromoted(where.landing, "", age, rules, None)
            return replace(need, why=f"{why}; {need.why}")
    else:
        reason = f"its project is missing ({where.places[0]}): --missing-projects removes it"
        return Keeping(True, reason)
    if age < BEING_MADE:
        # A smaller minimum age in the rules has no effect here.
        young = describe_duration(BEING_MADE)
        return Keeping(True, f"{why}, but it is younger than {young}: it may be under construction")
    return _by_age(why, age, rules.older_than)


def _is_there(runs_dir: Path) -> bool:
    """Return whether the runs folder exists, or at least the project."""
    return runs_dir.is_dir() or runs_dir.parent.is_dir()


def _by_age(why: str, age: timedelta, older_than: timedelta, root: Path | None = None) -> Keeping:
    # If the clock was set back, an age may be negative.
    if max(age, timedelta()) >= older_than:
        return Keeping(False, why, root)
    return Keeping(True, f"{why}, less than {describe_duration(older_than)} ago{YET}", root)


def _find(run_id: str, places: Sequence[Path]) -> RunDirectory | None:
    for place in places:
        directory = RunDirectory(place)
        try:
            if directory.manifest.exists() and read_manifest(directory).run_id == run_id:
                return directory
            if directory.run.exists() and not directory.manifest.exists():
                # Only its manifest is missing.
                return directory
        except (AttractorError, OSError):
            # A part of the run exists, but cannot be read: keep it.
            return directory
    return None


WORKSPACE, FORK, CACHE = "workspace", "fork", "cache"

RUN = "run directory"
"""The kind of the directories of old runs of actors; no other run directory is removed."""

_REMOVED = ".removed"

STORE, AGENTS, PLACED = "store", "agents", "folder in a place"

BASE_REF, BRANCH, LEFT_BEHIND = "base ref", "branch", "left behind"

DRAWING, DRAWINGS = "drawing", Path("server", "drawings")
"""The folder below the state folder in which the server keeps drawings of graphs."""

Ask = Callable[[str], Whereabouts]

Free = Callable[[str, str], Awaitable[None]]


@dataclass(frozen=True)
class Freed:
    """A leftover that is removed or to be removed: run, kind, path and size."""

    run_id: str
    what: str
    path: str
    bytes: int
    why: str


@dataclass(frozen=True)
class OldRun:
    """A run whose directory is removed too, since newer runs replaced it.

    `let_go` records what has to stay of it; it returns a reason to keep the run instead, or "".
    """

    root: Path
    why: str
    let_go: Callable[[], str]


@dataclass
class Sweep:
    """The result of a collection: removed leftovers, runs that keep their files, and errors.

    `ended` are the processes that killed runs had left running.
    """

    is_dry: bool
    freed: list[Freed] = field(default_factory=list[Freed])
    ended: dict[str, Sequence[Process]] = field(default_factory=dict[str, Sequence[Process]])
    kept: dict[str, str] = field(default_factory=dict[str, str])
    troubles: list[str] = field(default_factory=list[str])

    @property
    def bytes(self) -> int:
        """The total size of the removed leftovers in bytes."""
        return sum(one.bytes for one in self.freed)

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the result."""
        return {
            "dry_run": self.is_dry,
            "bytes": self.bytes,
            "freed": [write_fields(one) for one in self.freed],
            "ended": [
                {"run_id": run_id, "pid": one.number, "name": one.name}
                for run_id, ended in self.ended.items()
                for one in ended
            ],
            "kept": [{"run_id": run_id, "why": why} for run_id, why in self.kept.items()],
            "troubles": list(self.troubles),
        }


@dataclass
class Collector:
    """Goes through the runs in a state folder; requests the facts of each run only when needed.

    `run_ids` are the recorded runs, also those without a store. `old_runs` are removed whole.
    `dimensions` are those of the project (default: the files of none are removed from places).
    `confirm` asks a person a question.
    """

    project: Project
    where: Ask
    rules: Rules
    run_ids: Collection[str] = ()
    old_runs: Mapping[str, OldRun] = field(default_factory=dict[str, OldRun])
    dimensions: Collection[str] | None = None
    is_dry: bool = False
    confirm: Callable[[str], bool] | None = None

    def __post_init__(self) -> None:
        self._sizes = DiskUsage()
        self._landings: dict[str, Landing] = {}
        self._sweep = Sweep(self.is_dry)

    async def collect(self) -> Sweep:
        """Remove all that is not needed; an error at one run does not stop the others."""
        await self._find_landings()
        await self._free_half_removed()
        for run_id in sorted(runs_with_orphans()):
            await self._end_left_running(run_id)
        for run_id in stored_run_ids(self._state):
            if run_id not in self.old_runs:
                await self._judge(run_id, self._free_run)
        for run_id, old in self.old_runs.items():
            await self._judge_old(run_id, old)
        for run_id in placed_owners(self.project):
            if self.where(run_id).is_known:
                await self._judge(run_id, self._free_placed)
        if self.dimensions is not None:
            await self._free_removed_dimensions(self.dimensions)
        await self._judge_refs()
        await self._free_left_behind()
        self._free_drawings()
        await self._free_agents()
        return self._sweep

    async def collect_of(self, run_ids: Collection[str]) -> Sweep:
        """Remove what is not needed of some runs, and nothing else."""
        await self._find_landings()
        for run_id in stored_run_ids(self._state):
            if run_id in run_ids:
                await self._judge(run_id, self._free_run)
        return self._sweep

    @property
    def _state(self) -> Path:
        return self.project.machine.state_dir

    async def _find_landings(self) -> None:
        """Find the results that a person has merged, in all repositories of stored runs."""
        run_ids: dict[Path, list[str]] = {}
        for run_id in stored_run_ids(self._state):
            # The faults of its record are reported when it is judged.
            with suppress(AttractorError):
                if repository := stored_run(self._state, run_id).repository:
                    run_ids.setdefault(repository, []).append(run_id)
        for repository, listed in run_ids.items():
            try:
                git = Git(repository, self.project.machine.search_path)
                self._landings |= await find_landings(git, listed)
            except AttractorError as trouble:
                self._sweep.troubles.append(f"{repository}: {trouble}")

    def _whereabouts(self, run_id: str) -> Whereabouts:
        return replace(self.where(run_id), landing=self._landings.get(run_id))

    async def _judge(self, run_id: str, free: Free) -> None:
        """Remove leftovers of a run that is not needed.

        A lock prevents resuming the run meanwhile.
        """
        try:
            where = self._whereabouts(run_id)
            need = need_of(run_id, where, self.rules)
            if need.is_needed and not self._agrees(run_id, need):
                asks = " (gc asks at a terminal)" if need.may_ask else ""
                self._sweep.kept[run_id] = f"{need.why}{asks}"
                return
            landing = where.landing if where.has_landed and not where.is_promoted else None
            if landing and need.directory and not self.is_dry:
                self._record_landing(need.directory, landing)
            with self._held(need):
                await free(run_id, need.why)
        except LockHeld:
            self._sweep.kept[run_id] = "a process is running it"
        except AttractorError as trouble:
            self._sweep.troubles.append(f"run {run_id}: {trouble}")

    async def _free_half_removed(self) -> None:
        """Remove what a killed collection left of the directories of old runs."""
        places = {self.project.runs_dir, *(old.root.parent for old in self.old_runs.values())}
        for folder in sorted(one for place in places for one in place.glob(f".*{_REMOVED}")):
            size, why = await self._size(folder), "a killed 'gc' had begun to remove it"
            await self._free(Freed("", LEFT_BEHIND, str(folder), size, why))

    async def _judge_old(self, run_id: str, old: OldRun) -> None:
        """Remove an old run with its directory; a killed removal leaves no half directory there."""
        events = RunDirectory(old.root).events
        try:
            age = self.rules.now - datetime.fromtimestamp(events.stat().st_mtime, UTC)
            need = _by_age(old.why, age, self.rules.older_than, old.root)
            if need.is_needed:
                self._sweep.kept[run_id] = need.why
                return
            with self._held(need):
                if not self.is_dry and (why := old.let_go()):
                    self._sweep.kept[run_id] = why
                    return
                await self._free_run(run_id, old.why)
                size, place = await self._size(old.root), old.root
                if not self.is_dry:
                    place = old.root.rename(old.root.with_name(f".{run_id}{_REMOVED}"))
                if await self._free(Freed(run_id, RUN, str(place), size, old.why)):
                    self._sweep.freed[-1] = replace(self._sweep.freed[-1], path=str(old.root))
        except LockHeld:
            self._sweep.kept[run_id] = "a process is running it"
        except (AttractorError, OSError) as trouble:
            self._sweep.troubles.append(f"run {run_id}: {trouble}")

    def _agrees(self, run_id: str, need: Keeping) -> bool:
        """Return whether a person agrees to lose the files of a run."""
        if not need.may_ask or self.is_dry or self.confirm is None:
            return False
        return self.confirm(visible(f"Run {run_id}: {need.why}. Remove its trees?"))

    def _record_landing(self, root: Path, landing: Landing) -> None:
        """Record where the result has landed, which its branch shows before it is removed."""
        with open_run(
            root, clock=self.project.machine.clock, redactor=self.project.redactor, before_end=None
        ) as run:
            if find_branch_moves(run.directory, run.state).landing != landing:
                data: dict[str, Json] = {"branch": landing.branch, "commit": landing.commit}
                run.emit(RESULT_LANDED, data, sync=True)

    async def _end_left_running(self, run_id: str) -> None:
        """End the processes that a run left running, unless a process still holds the run."""
        where = self.where(run_id)
        try:
            need = need_of(run_id, where, self.rules)
            if need.directory is None and not where.is_known:
                return
            if need.directory and is_held(RunDirectory(need.directory).lock):
                return
            with self._held(need):
                ended = find_orphans(run_id) if self.is_dry else await kill_orphans(run_id)
        except LockHeld:
            return
        except AttractorError as trouble:
            self._sweep.troubles.append(f"run {run_id}: {trouble}")
            return
        if ended:
            self._sweep.ended[run_id] = ended

    def _held(self, need: Keeping) -> AbstractContextManager[object]:
        if self.is_dry or need.directory is None:
            return nullcontext()
        lock = FileLock(RunDirectory(need.directory).lock)
        return lock.acquire(purpose="remove what is no longer needed")

    async def _free_run(self, run_id: str, why: str) -> None:
        """Remove all leftovers of a run.

        The store of the run is removed last, because the store contains the paths of the other
        leftovers.
        """
        holding = stored_run(self._state, run_id)
        if holding.repository:
            await self._free_branch(holding.repository, run_id, why)
            await self._free_ref(holding.repository, run_id, why)
        folders = [(CACHE, holding.cache), *((FORK, one) for one in holding.forks)]
        folders += [(WORKSPACE, holding.workspace)] if holding.workspace else []
        are_gone = [
            await self._free(Freed(run_id, what, str(path), await self._size(path), why))
            for what, path in folders
            if path.is_dir()
        ]
        if all(are_gone) and holding.store.is_dir():
            size = await self._size(holding.store)
            await self._free(Freed(run_id, STORE, str(holding.store), size, why))

    async def _free(self, freed: Freed) -> bool:
        """Remove a folder and record the removal; return whether the folder is gone."""
        path = Path(freed.path)
        remove = remove_store if freed.what == STORE else remove_workspace_folder
        if not (self.is_dry or await remove(path)):
            self._sweep.troubles.append(f"{path} could not be removed completely")
            return False
        self._sweep.freed.append(freed)
        return True

    async def _free_placed(self, owner: str, why: str) -> None:
        """Remove the files of a run or dimension from its place, if it can be reached."""
        where = find_placed(owner, self.project)
        try:
            if not self.is_dry:
                await remove_placed(owner, self.project)
            self._sweep.freed.append(Freed(name_of(owner), PLACED, where, 0, why))
        except AttractorError as trouble:
            why = f"its files are left in the place {where}: {trouble.in_one_line}"
            self._sweep.kept[name_of(owner)] = why

    async def _free_removed_dimensions(self, dimensions: Collection[str]) -> None:
        """Remove the files of removed dimensions from places, unless a run still works there."""
        owners = placed_dimensions(self.project)
        gone = [owner for owner in owners if name_of(owner) not in dimensions]
        used = self._dimensions_in_use() if gone else ()
        for owner in gone:
            age = self.rules.now - last_exchange(owner, self.project)
            need = _by_age("the dimension was removed", age, self.rules.older_than)
            if name_of(owner) in used:
                self._sweep.kept[name_of(owner)] = "a process is running in it"
            elif need.is_needed:
                self._sweep.kept[name_of(owner)] = need.why
            else:
                await self._free_placed(owner, need.why)

    def _dimensions_in_use(self) -> Collection[str]:
        """Return the dimensions in which runs of this project work now."""
        found = map(RunDirectory, list_folders(self.project.runs_dir))
        held = [directory for directory in found if is_held(directory.lock)]
        return {read_request(read_manifest(directory)).dimension for directory in held}

    async def _free_branch(self, repository: Path, run_id: str, why: str) -> None:
        """Remove the branch of a run, unless it is checked out or a person committed on it."""
        git = Git(repository, self.project.machine.search_path)
        branch = await find_run_branch(git, run_id)
        if branch is None:
            return
        if branch.is_in_use:
            self._sweep.kept[branch.name] = "it is checked out, or has commits of a person"
            return
        if not self.is_dry:
            await remove_run_branch(git, branch)
        self._sweep.freed.append(Freed(run_id, BRANCH, f"{branch.name} ({branch.commit})", 0, why))

    async def _free_ref(self, repository: Path, run_id: str, why: str) -> None:
        search_path = self.project.machine.search_path
        if not await has_base_ref(repository, run_id, search_path=search_path):
            return
        if not self.is_dry:
            await remove_base_ref(repository, run_id, search_path=search_path)
        self._sweep.freed.append(Freed(run_id, BASE_REF, str(repository), 0, why))

    async def _judge_refs(self) -> None:
        """Remove the refs of this project whose stores are missing; other projects are not checked.

        Such a ref remains if a collection was killed, or if a person removed the store.
        """
        search_path = self.project.machine.search_path
        try:
            repository = await open_repository(self.project.root, search_path=search_path)
            refs = await base_refs(repository.common_dir, search_path=search_path)
        except NotARepository:
            return
        except AttractorError as trouble:
            self._sweep.troubles.append(f"{self.project.root}: {trouble}")
            return
        stored = set(stored_run_ids(self._state))
        free = partial(self._free_ref, repository.common_dir)
        for run_id in refs:
            if run_id not in stored and self.where(run_id).is_known:
                await self._judge(run_id, free)

    async def _free_left_behind(self) -> None:
        """Remove the folders that no process uses and that belong to no run."""
        place = workspaces_folder(self._state)
        if not place.is_dir():
            return
        try:
            with abandoned_folders(place, partial(recorded_folders, self._state)) as left:
                for folder in left:
                    size = await self._size(folder)
                    why = "no process uses it, and no run names it"
                    await self._free(Freed("", LEFT_BEHIND, str(folder), size, why))
        except AttractorError as trouble:
            self._sweep.troubles.append(f"{place}: {trouble}")

    def _free_drawings(self) -> None:
        """Remove old drawings; a page that needs one draws it again."""
        latest = (self.rules.now - self.rules.older_than).timestamp()
        for file, size in _find_old((self._state / DRAWINGS).glob("*.svg"), latest):
            if not self.is_dry:
                file.unlink(missing_ok=True)
            why = "a page that needs it draws it again"
            self._sweep.freed.append(Freed("", DRAWING, str(file), size, why))

    async def _free_agents(self) -> None:
        """Remove the old copies of agents that no run needs."""
        latest = (self.rules.now - max(self.rules.older_than, BEING_MADE)).timestamp()
        copies = self.project.machine.agent_copies.glob("[!.]*")
        unused = {one.name: one for one, _ in _find_old(copies, latest)}
        stored = set(stored_run_ids(self._state))
        for run_id in stored.union(self.run_ids):
            if not unused:
                return
            need = need_of(run_id, self.where(run_id), self.rules)
            if not need.is_needed:
                continue
            if need.directory:
                try:
                    unused.pop(read_manifest(RunDirectory(need.directory)).agents, None)
                except AttractorError:  # it may have begun with any of them
                    return
            elif run_id in stored:
                return
        # A run may have begun with one meanwhile.
        for folder, _ in _find_old(unused.values(), latest):
            why = "no run that can go on began with them"
            await self._free(Freed("", AGENTS, str(folder), await self._size(folder), why))

    async def _size(self, path: Path) -> int:
        return await in_thread(partial(self._sizes.of, path))


def _find_old(paths: Iterable[Path], latest: float) -> Iterator[tuple[Path, int]]:
    """Yield the paths that were last changed up to a time, with their sizes, by name."""
    for path in sorted(paths):
        try:
            found = path.stat()
        except FileNotFoundError:  # another collection has removed it
            continue
        if found.st_mtime <= latest:
            yield path, found.st_size
