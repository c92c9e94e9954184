"""Brings runs of a project into the fleet, and their committed heads back.

The run directory of a run in the fleet is a copy of its last head; the file `elsewhere.json` in it
keeps every other process from executing the run here.
"""

import asyncio
import re
import secrets
import time
import tomllib
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import (
    AttractorError,
    Refused,
    UnknownName,
    UsageError,
    VerificationError,
)
from attractor.base.files import make_private_folder, read_regular, write_whole
from attractor.base.ids import is_run_id
from attractor.base.json import Json, JsonObject, canonical_json, content_hash, parse_object
from attractor.base.locks import FileLock
from attractor.base.toml import without_keys
from attractor.config.projects import PROJECT_FILE
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import (
    RESERVED_NAMES,
    FileFence,
    RunDirectory,
    note_elsewhere,
    read_manifest,
)
from attractor.factory.dimensions import with_dimension
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.policy import rules_of
from attractor.factory.operations.settle import record_cancel, settle_ended
from attractor.factory.register import record_restart
from attractor.fleet.decisions import BEAT_S, HOLDER
from attractor.fleet.errors import BlobMissing, DatabaseAway, StoreAway, UnknownRun
from attractor.fleet.records import (
    EVALUATE,
    HOME,
    AttemptEnd,
    Claim,
    FleetRun,
    NewRun,
    RowState,
    Worker,
)
from attractor.fleet.seams import BlobsOf
from attractor.fleet.store.heads import FileEntry, HeadTree, changed_files
from attractor.fleet.store.places import (
    AGENTS,
    PROJECT,
    RUNS,
    Collector,
    MachinePlace,
    chain_of,
    is_restart,
    lay_out,
)
from attractor.fleet.universes import Tenant, caps_in, need_of, require_allowed, tenants_in
from attractor.fleet.views.reasons import in_words
from attractor.fleet.workers.attempt import FOLDER, PROFILE, TRAIN, WHY
from attractor.fleet.workers.site import BASE
from attractor.pipeline.begin import begin, open_observed
from attractor.pipeline.components.backends import SIMULATE
from attractor.pipeline.plan.origins import Resumed
from attractor.pipeline.plan.plan_run import plan_run
from attractor.pipeline.plan.run_plan import BegunRun, RunPlan
from attractor.pipeline.preflight.child_pipelines import find_child_pipelines
from attractor.pipeline.preflight.models import list_models
from attractor.pipeline.preflight.preflight import nodes_by_backend
from attractor.pipeline.source.read import context_of
from attractor.records.request import RunRequest, read_request
from attractor.workspaces.create.registry import workspace_registry
from attractor.workspaces.git.repository import Git
from attractor.workspaces.run_store import STORES

if TYPE_CHECKING:
    # It loads the database, which belongs to an extra.
    from attractor.fleet.database.table import SqlTable
    from attractor.fleet.fleet import Fleet


def universe_of(project: str, tenants: Iterable[Tenant]) -> str:
    """Return the universe of a project (default: `home`)."""
    return next((tenant.universe for tenant in tenants if tenant.id == project), HOME)


def copy_fence(directory: RunDirectory, purpose: str) -> FileFence:
    """Return the fence by which the owner of a copied run changes it."""
    return FileFence(directory.lock, purpose=purpose, is_copy=True)


_NEVER_MOVED = frozenset({"elsewhere.json", "run.lock", "evaluation"})
_NOT_CONTINUED = _NEVER_MOVED | RESERVED_NAMES
"""The names in the directory of a run before that the run after it does not need."""

_ACCEPTED = re.compile(r"graph\.[^/]+\.dot")
"""A pipeline that a person accepted for a run: only on the machine that executes the run."""

NOT_FOR_WORKERS = ("fleet", "notify", "server", "growth", "agent.mcp")
"""The settings that have passwords and tokens, or are for the server only."""

COPIES = "fleet/copies"
"""The folder of the state folder with the head that each copied run has."""

_SETTLED = "settled"
_PATIENCE_S = 60.0
_PARKING_TRIES, _PARKING_PAUSE_S = 20, 0.25
_PUSH_S = 30.0


@dataclass(frozen=True)
class Where:
    """Where a new run executes; without a universe, in that of the project, or in `home`."""

    pool: str
    priority: int = 100
    label: str = ""
    universe: str = ""


class Dispatch:
    """The runs of one project in a fleet."""

    def __init__(
        self, opened: OpenProject, table: "SqlTable", blobs_of: BlobsOf, owner: str
    ) -> None:
        self._opened = opened
        self.table = table
        self._blobs_of = blobs_of
        self._owner = owner
        project = opened.project
        self._place = MachinePlace(project.runs_dir, project.machine.state_dir, project.root)

    @classmethod
    def of(cls, opened: OpenProject, fleet: "Fleet") -> "Dispatch":
        """Return the runs of a project in an open fleet."""
        return cls(opened, fleet.table, fleet.blobs_of, fleet.holder)

    async def require_accepted(self, plan: RunPlan, where: Where) -> NewRun:
        """Refuse a planned run that cannot move, or that caps do not allow; return its row."""
        if where.pool == EVALUATE:
            raise UsageError(f"the pool {EVALUATE} plays trials only", hint="name another pool")
        _require_movable(plan, where.label)
        task = plan.request.task
        project = self._opened.identity.create_id()
        known = await self.table.tenants()
        universe = where.universe or universe_of(project, known)
        new = NewRun(
            run_id=plan.run_id,
            head="",
            pool=where.pool,
            engine=plan.scope.project.machine.version,
            universe=universe,
            project=project,
            label=where.label,
            priority=where.priority,
            actor=f"{project}/{task.actor}" if task else "",
            max_cost_usd=plan.budgets.cost_usd,
            max_tokens=plan.budgets.tokens,
        )
        _require_allowed(plan, new, tenants_in(known, universe, project))
        return new

    async def submit(self, plan: RunPlan, where: Where) -> str:
        """Begin a planned run here, and let a worker of a pool execute it; return its id.

        Nothing begins while the fleet does not answer. Of the runs for messages to one actor, one
        is open at a time.
        """
        new = await self.require_accepted(plan, where)
        if where.universe:
            # Last, so that a refused run changes nothing.
            await self.table.assign(new.project, new.universe, self._opened.project.root.name)
        await self._blobs_of(new.universe)
        with ExitStack() as stack:
            begun = await begin(plan, stack)
            plan.policy.begin(begun)
            await begun.workspace.close()
        until = time.monotonic() + _PUSH_S
        while True:
            try:
                await self._push(begun, new)
            except (StoreAway, DatabaseAway) as away:
                if time.monotonic() > until:
                    # The row may be there although no reply said so: nothing executes it here.
                    away.hint = f"look whether it is there: attractor fleet why {plan.run_id}"
                    raise
                await asyncio.sleep(_PARKING_PAUSE_S)
            else:
                return plan.run_id

    async def submit_begun(self, root: Path, where: Where) -> str:
        """Submit a run that a dead process began here, and that has no row yet."""
        RunDirectory(root).elsewhere.unlink(missing_ok=True)
        project, rules = self._opened.project, rules_of(self._opened)
        with open_observed(root, project, project.redactor, rules.before_end) as run:
            return await self.submit(await plan_run(Resumed(run), project, rules), where)

    async def _push(self, begun: BegunRun, new: NewRun) -> None:
        """Store a begun run, and add its row."""
        tree = await HeadTree.load(await self._blobs_of(new.universe), "")
        await self.put_run(tree, begun, new.run_id)
        for before in runs_before(begun.plan.request):
            folder = self._place.runs / before
            await put_folder(tree, f"{RUNS}/{before}", folder, _NOT_CONTINUED)
        new = changed(new, head=await tree.save())
        directory = begun.run.directory
        self._note_elsewhere(directory, new.run_id, new.pool, is_live=True)
        self._note(new.run_id, new.head)
        await self.table.add(new)

    async def put_run(self, tree: HeadTree, begun: BegunRun, first: str) -> None:
        """Put a run into a head, with the runs before its restarts since the first one."""
        await self._collector(first).collect(tree)
        agents = begun.run.manifest.agents
        await put_folder(tree, f"{AGENTS}/{agents}", self._place.state / AGENTS / agents)
        await self._put_project(tree, begun)

    async def sync(self, run_id: str) -> FleetRun:
        """Bring the last committed head of a run, or its cancel, into its copy here."""
        with self._locked(run_id):
            return await self._sync(run_id)

    @asynccontextmanager
    async def held(self, run_id: str, head: str = "", *, damaged: str = "") -> AsyncGenerator[Path]:
        """Own a run that no worker executes during a block that changes its directory.

        Afterwards it continues in its pool if it can: from its last head, or from an earlier one
        instead of the damaged one.
        """
        with self._locked(run_id):
            # Of its own for each block: the end of one must not be that of another.
            owner = f"{self._owner}-{secrets.token_hex(4)}"
            async with self._beating(owner), self._changing(run_id, owner, head, damaged) as root:
                yield root

    @asynccontextmanager
    async def _changing(
        self, run_id: str, owner: str, head: str, damaged: str
    ) -> AsyncGenerator[Path]:
        claim = await self._hold(run_id, owner)
        end = following = AttemptEnd(state=RowState.PARKED, is_undone=True)
        try:
            if head and claim.head != damaged:
                hint = f"look at its head again: attractor fleet why {run_id}"
                raise Refused(f"run {run_id} has a newer head than {damaged}", hint=hint)
            run = await (self._go_back(run_id, head) if head else self._sync(run_id))
            tree = await HeadTree.load(await self._blobs_of(run.area), run.head)
            collector = self._collector(run_id)
            await asyncio.to_thread(collector.skip)
            # Until the commit, the copy may have more than the head.
            self._note(run_id, "")
            try:
                yield self._chain(run_id)[-1]
                # A run that is changed continues, also if this process dies before the end.
                await self.table.want(run_id)
                following = _after_change(self._chain(run_id)[-1])
            finally:
                # Also what a refused order left in the journal.
                await collector.collect(tree)
                claim = await self.table.commit(claim, await tree.save())
                self._note(run_id, claim.head)
                # Nothing follows from a change that was not committed.
                end = following
        finally:
            await self.table.end(claim, end)

    @asynccontextmanager
    async def _beating(self, owner: str) -> AsyncGenerator[None]:
        """Be known as alive during a block: a dead holder loses its run."""
        now = await self.table.now()
        name = owner.removeprefix(HOLDER)
        row = Worker(
            id=owner, name=name, pool="", engine="", slots=0, labels=(), began=now, beat=now
        )
        await self.table.beat(row)

        async def beat() -> None:
            while True:
                await asyncio.sleep(BEAT_S)
                with suppress(DatabaseAway):
                    await self.table.beat(row)

        beats = asyncio.create_task(beat())
        try:
            yield
        finally:
            beats.cancel()
            await self.table.leave(owner)

    async def _hold(self, run_id: str, owner: str) -> Claim:
        """Own a run; a worker that is about to park it gets some seconds for that."""
        for _ in range(_PARKING_TRIES):
            claim = await self.table.hold(run_id, owner)
            if isinstance(claim, Claim):
                return claim
            await asyncio.sleep(_PARKING_PAUSE_S)
        raise Refused(
            f"a worker executes run {run_id}", hint=f"look who: attractor fleet why {run_id}"
        )

    async def _known(self, run_id: str) -> FleetRun:
        run = await self.table.run(run_id)
        if run is None:
            raise UnknownRun(f"run {run_id} is not in the fleet")
        return run

    async def _sync(self, run_id: str) -> FleetRun:
        run = await self._known(run_id)
        head, state = self._noted(run_id)
        if run.head != head:
            try:
                await self._lay_out(run, head)
            except BlobMissing:
                # The store keeps earlier heads for some days only.
                await self._lay_out(run, "")
            for restart in self._chain(run_id)[1:]:
                record_restart(self._opened, restart)
            state = ""
        now = f"{run.state}:{run.attempt}:{run.reason.kind if run.reason else ''}"
        if state not in (now, _SETTLED):
            is_canceled = run.state is RowState.ENDED and run.cancel
            if is_canceled:
                # While the copy is marked: a resume would execute it here.
                last = self._chain(run_id)[-1]
                await asyncio.to_thread(record_cancel, last, self._opened, copy_fence)
            for root in self._chain(run_id):
                self._mark(root, run)
            if is_canceled:
                await settle_ended(self._place.runs / run_id, self._opened)
            self._note(run_id, run.head, now, run.seq)
        return run

    async def _lay_out(self, run: FleetRun, known: str) -> None:
        """Bring what differs between a known head and that of a run into the project."""
        blobs = await self._blobs_of(run.area)
        tree = await HeadTree.load(blobs, run.head)
        files = self._of_chain(run, changed_files(blobs, known, run.head))
        note = self._note_of(run.run_id)
        # With fewer commits than before, the database was restored from a backup.
        grows = bool(note.get("head")) and run.seq >= int(str(note.get("seq", 0)))
        search_path = self._opened.project.machine.search_path
        await lay_out(tree, files, self._place, search_path=search_path, grows=grows)

    async def _go_back(self, run_id: str, head: str) -> FleetRun:
        """Let the copy of a run be as it was at an earlier head; end its later restarts."""
        run: FleetRun = changed(await self._known(run_id), head=head)
        tree = await HeadTree.load(await self._blobs_of(run.area), head)
        kept = {name async for name, _ in tree.files()}
        runs = {name.split("/")[1] for name in kept if name.startswith(f"{RUNS}/")}
        chain = self._chain(run_id)
        if later := [root for root in chain if root.name not in runs]:
            why = f"its stages are executed again, because the head of run {run_id} was damaged"
            await asyncio.to_thread(record_cancel, later[-1], self._opened, copy_fence, why)
            for root in later:
                RunDirectory(root).elsewhere.unlink(missing_ok=True)
            await settle_ended(later[0], self._opened)
        for root in (run for run in chain if run not in later):
            for path in [*root.rglob("*")]:
                below = path.relative_to(root)
                name = f"{RUNS}/{root.name}/{below.as_posix()}"
                if name not in kept and below.parts[0] not in _NEVER_MOVED and path.is_file():
                    path.unlink()
        # The journal of the copy may be longer than that of the head.
        self._note(run_id, "")
        await self._lay_out(run, "")
        return run

    def is_settled(self, run: FleetRun) -> bool:
        """Return whether the last head of a run that has ended is delivered and recorded here."""
        return self._noted(run.run_id) == (run.head, _SETTLED)

    async def forget(self, run: FleetRun) -> None:
        """Remove the row of a run of which the fleet has nothing that is not recorded here."""
        with self._locked(run.run_id):
            if self.is_settled(run):
                await self.table.forget(run.run_id)
                (self._copies / f"{run.run_id}.json").unlink()

    def note_settled(self, run: FleetRun) -> None:
        """Note that a run that has ended is delivered and recorded here."""
        with self._locked(run.run_id):
            self._note(run.run_id, run.head, _SETTLED)

    def _chain(self, run_id: str) -> Sequence[Path]:
        """Return the directories of a run and of the runs that continue it after restarts."""
        return chain_of(self._place.runs, run_id)

    async def _of_chain(
        self, run: FleetRun, files: AsyncIterator[tuple[str, FileEntry | None]]
    ) -> AsyncIterator[tuple[str, FileEntry | None]]:
        """Keep the files of a run, of its restarts and of their stores; refuse those of others.

        The project here has its own agents and settings.
        """
        run_id = run.run_id
        own = {root.name for root in self._chain(run_id)}
        directory = RunDirectory(self._place.runs / run_id)
        is_here = directory.manifest.exists()
        before = runs_before(read_request(read_manifest(directory))) if is_here else ()
        async for name, entry in files:
            kind, _, rest = name.partition("/")
            owner, _, below = rest.partition("/")
            if kind not in (RUNS, STORES) or (kind == RUNS and owner in before):
                continue
            if owner not in own:
                self._admit(run, owner, own, name)
                own.add(owner)
            is_of_server = below.partition("/")[0] in _NEVER_MOVED or _ACCEPTED.fullmatch(below)
            if kind == RUNS and is_of_server:
                raise VerificationError(f"the head of {run_id} has a file of the server: {name}")
            if kind == RUNS and self._has_other_manifest(owner, below, entry):
                raise VerificationError(f"the head of {run_id} has another manifest: {name}")
            yield name, entry

    def _admit(self, run: FleetRun, name: str, own: Collection[str], file: str) -> None:
        """Refuse a run that is neither new here nor a restart of one of some runs."""
        directory = RunDirectory(self._place.runs / name)
        is_new = is_run_id(name) and not directory.manifest.exists()
        befores = [self._place.runs / one for one in own]
        if is_new:
            # Before its files: at no moment may a process here execute it.
            directory.root.mkdir(parents=True, exist_ok=True)
            self._note_elsewhere(directory, run.run_id, run.pool, is_live=True)
        elif not is_run_id(name) or not any(is_restart(directory.root, one) for one in befores):
            raise VerificationError(f"the head of {run.run_id} has a file of another run: {file}")

    def _has_other_manifest(self, run_id: str, name: str, entry: FileEntry | None) -> bool:
        """Return whether a file is another manifest than the one that a run has here."""
        manifest = RunDirectory(self._place.runs / run_id).manifest
        if name != manifest.name or not manifest.exists():
            return False
        digests = [segment.digest for segment in entry.segments] if entry else []
        return digests != [content_hash(manifest.read_bytes())]

    def _collector(self, run_id: str) -> Collector:
        return Collector(self._place, lambda: [root.name for root in self._chain(run_id)])

    async def _put_project(self, tree: HeadTree, begun: BegunRun) -> None:
        """Put the settings, the profile and the base files of a run into its head."""
        plan, project = begun.plan, self._opened.project
        settings = project.root / PROJECT_FILE
        if settings.exists():
            text = without_tables(read_regular(settings).decode(), NOT_FOR_WORKERS)
            await tree.put(f"{PROJECT}/{PROJECT_FILE}", text.encode())
        profile = self._opened.profile(plan.policy.profile)
        record: dict[str, Json] = {
            "profile": profile.to_record(),
            "task_note": plan.policy.task_note,
            "agents": begun.run.manifest.agents,
            TRAIN: await self._put_train(tree, plan),
        }
        await tree.put(f"{PROJECT}/{PROFILE}", canonical_json(record).encode())
        if begun.workspace.base.commit:
            await tree.put(f"{PROJECT}/{BASE}", await self._base_pack(begun))

    async def _put_train(self, tree: HeadTree, plan: RunPlan) -> dict[str, Json]:
        """Put the train scenarios of the suites of a run into its head.

        Return the folder of each suite by its name, or why its train scenarios cannot be played.
        """
        # Suites are slow to import.
        from attractor.scenarios.train_part import train_part_of

        pins = {plan.policy.suite: plan.policy.suite} if plan.policy.suite else {}
        sent: dict[str, Json] = {}
        for node in plan.pipeline.graph.nodes.values():
            if name := node.attributes.text("suite").strip():
                try:
                    pins[name] = self._opened.pin_suite(name)
                except AttractorError as fault:
                    sent[name] = {WHY: fault.in_one_line}
        for name, pinned in pins.items():
            if sealed := self._opened.suite(pinned):
                folder = f"{TRAIN}/{sealed.seal}"
                try:
                    for path, content, mode in train_part_of(sealed):
                        await tree.put(f"{PROJECT}/{folder}/{path}", content, mode)
                    sent[name] = {FOLDER: folder}
                except AttractorError as fault:
                    sent[name] = {WHY: fault.in_one_line}
        return sent

    async def _base_pack(self, begun: BegunRun) -> bytes:
        """Return the Git objects of the files that the run may see, and of the names of others."""
        base, machine = begun.workspace.base, self._opened.project.machine
        store = self._place.state / STORES / begun.plan.run_id
        git = Git(store, machine.search_path)
        listed = await git.run("rev-list", "--objects", "--no-object-names", base.candidate)
        folders = await git.run("ls-tree", "-r", "-d", "--format=%(objectname)", base.tree)
        ids = {*listed.split(), *folders.split(), base.tree, base.commit}
        pack = store / f"{BASE}.tmp"
        try:
            await git.run_to(
                pack, "pack-objects", "--stdout", "--quiet", stdin="\n".join(sorted(ids)).encode()
            )
            return pack.read_bytes()
        finally:
            pack.unlink(missing_ok=True)

    def _mark(self, root: Path, run: FleetRun) -> None:
        """Note what is known of a run that is executed elsewhere, or that it is no more."""
        directory = RunDirectory(root)
        if run.state is RowState.ENDED:
            directory.elsewhere.unlink(missing_ok=True)
            return
        # A run that waits for a time goes on by itself.
        is_live = run.state is not RowState.PARKED or run.wake_at > 0
        why = in_words(run.reason) if run.reason else ""
        self._note_elsewhere(directory, run.run_id, run.pool, is_live=is_live, why=why)

    def _note_elsewhere(
        self, directory: RunDirectory, run_id: str, pool: str, *, is_live: bool, why: str = ""
    ) -> None:
        where = f"by the pool {pool} of the fleet"
        hint = f"look where it is: attractor fleet why {run_id}"
        note_elsewhere(directory, where=where, hint=hint, is_live=is_live, why=why)

    def _note(self, run_id: str, head: str, state: str = "", seq: int = 0) -> None:
        make_private_folder(self._copies)
        note: JsonObject = {"head": head, "state": state, "seq": seq}
        write_whole(self._copies / f"{run_id}.json", canonical_json(note), sync=False)

    def _noted(self, run_id: str) -> tuple[str, str]:
        """Return the head that the copy of a run has, and the state of the run then."""
        record = self._note_of(run_id)
        return str(record.get("head", "")), str(record.get("state", ""))

    def _note_of(self, run_id: str) -> JsonObject:
        file = self._copies / f"{run_id}.json"
        return (parse_object(read_regular(file)) if file.exists() else None) or {}

    def _locked(self, run_id: str) -> FileLock:
        make_private_folder(self._copies)
        lock = FileLock(self._copies / f"{run_id}.lock")
        return lock.acquire(wait=_PATIENCE_S, purpose="attractor: fleet")

    @property
    def _copies(self) -> Path:
        return self._place.state / COPIES


async def put_folder(
    tree: HeadTree, name: str, folder: Path, without: Collection[str] = ()
) -> None:
    """Put the files of a folder into a head, but none below some names."""
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        if below.parts[0] not in without and path.is_file():
            mode = path.stat().st_mode & 0o777
            await tree.put(f"{name}/{below.as_posix()}", path.read_bytes(), mode)


def _after_change(root: Path) -> AttemptEnd:
    """Return what follows a change of a run by a person: it goes on, unless it has ended."""
    directory = RunDirectory(root)
    if open_journal(directory.events, directory.checkpoint).state.status.is_final:
        return AttemptEnd(state=RowState.ENDED)
    return AttemptEnd(state=RowState.QUEUED, yields=True)


def without_tables(text: str, names: Collection[str]) -> str:
    """Return the text of a TOML file without the tables, and the keys, of some dotted names."""
    paths = [tuple(name.split(".")) for name in names]
    kept = without_keys(text, paths)
    for path in paths:
        if _has(tomllib.loads(kept), path):
            name = ".".join(path)
            raise Refused(
                f"{PROJECT_FILE} has {name} in a form that cannot be kept from workers",
                hint=f"write it as a table: [{name}]",
            )
    return kept


def _has(value: Mapping[str, object], path: Sequence[str]) -> bool:
    """Return whether nested tables have a dotted key."""
    if path[0] not in value or len(path) == 1:
        return path[0] in value
    inside = value[path[0]]
    return isinstance(inside, dict) and _has(cast(dict[str, object], inside), path[1:])


def first_of(root: Path) -> Path:
    """Return the directory of the run that a run continues after restarts: the fleet knows that."""
    while (manifest := read_manifest(RunDirectory(root))).restart:
        before = root.parent / manifest.parent
        if not is_restart(root, before):
            raise VerificationError(f"run {root.name} is no restart of run {before.name}")
        root = before
    return root


def runs_before(request: RunRequest) -> Collection[str]:
    """Return the ids of the runs whose conversation and files a run continues."""
    continued = request.continues.run_id if request.continues else ""
    return {request.builds_on, continued} - {""}


def _require_allowed(plan: RunPlan, new: NewRun, tenants: Sequence[Tenant]) -> None:
    """Refuse a run that the caps of its universe or its world do not allow."""
    for tenant in tenants:
        tenant.require_admitted(need_of(vars(new)))
    caps, request, scope = caps_in(tenants), plan.request, plan.scope
    if not {"backends", "models"} & caps.keys():
        return
    children = find_child_pipelines(plan.pipeline.graph, request.file, context_of(scope))
    nodes = nodes_by_backend([plan.pipeline.graph, *children.graphs], request, scope)
    asking = [node for name in nodes if name != SIMULATE for node in nodes[name]]
    require_allowed(caps, {"backends": nodes, "models": list_models(asking, request, scope)})


def of_labeled_machine(request: RunRequest, opened: OpenProject) -> RunRequest:
    """Return the request of a run that a worker with a label executes.

    A name that is no kind is a dimension of the machine of that worker; its folder is found there.
    """
    name, kind = request.workspace, "directory"
    if name in workspace_registry():
        return request
    with suppress(UnknownName):
        placed = with_dimension(request, opened)
        if not workspace_registry()[placed.workspace].needs_folder:
            return placed
        kind = placed.workspace
    return replace(request, workspace=kind, dimension=name)


def _require_movable(plan: RunPlan, label: str) -> None:
    """Refuse a run that works on files of one machine, except in a dimension of a label."""
    request = plan.request
    kind, name = workspace_registry()[request.workspace], request.dimension or request.workspace
    if kind.is_apart or kind.create is None:
        return
    if not (kind.needs_folder and label):
        raise Refused(
            f"a run with the workspace {name} works on files of one machine",
            hint=f"name the label of a worker there: --label LABEL --workspace {name}"
            if kind.needs_folder
            else "choose another one: --workspace isolated",
        )
    if plan.policy.suite:
        raise Refused(
            f"the suite {plan.policy.suite} cannot judge a run in a dimension of another machine",
            hint=f"judge its files there later: attractor dimension submit {name} --suite SUITE",
        )
