"""The folder of a worker: lays out runs, and executes each attempt as a process of its own."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from attractor.backends.accounts import FOLDER as ACCOUNTS
from attractor.base.errors import FileError
from attractor.base.files import make_private_folder, remove_tree
from attractor.base.ids import new_run_id
from attractor.base.json import JsonObject, canonical_json, parse_object
from attractor.base.records import read_record as read_fields
from attractor.config.user_folders import OPERATOR_VARIABLE, without_token
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.journal.events import Action
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.run_folder.layout import RunDirectory
from attractor.fleet.records import Claim, FleetRun, Spent
from attractor.fleet.seams import (
    AttemptEnded,
    AttemptGone,
    AttemptSign,
    BlobsOf,
    KeepAsked,
    SiteAttempt,
)
from attractor.fleet.store.heads import HeadTree
from attractor.fleet.store.places import (
    AGENTS,
    EVALUATION,
    PROJECT,
    Collector,
    HeadSize,
    MachinePlace,
    chain_of,
    lay_out,
)
from attractor.fleet.workers import attempt as attempt_module
from attractor.fleet.workers.fence import ENDED, KEEP, KEPT, LEAVE, LOST, STAGE, USED
from attractor.workspaces.folders import workspaces_folder
from attractor.workspaces.git.repository import Git
from attractor.workspaces.run_store import read_record

PROGRAM = (sys.executable, "-P", "-m", attempt_module.__name__)
BASE = "base.pack"
"""The Git objects of the files with which a run began, beside the settings of its project."""

INCIDENTS = "incidents"
TAIL_BYTES = 16 << 10
"""At most so much is shown of what is not committed yet."""

_OF_FLEET = ("ATTRACTOR_FLEET__", "PG")
"""The beginnings of variables that reach the database."""


class FolderSite:
    """A folder of this machine, with a place for each run.

    `home` is the project in whose dimensions runs with a label of this worker may work. A head has
    at most `max_bytes` (default: no limit).
    """

    def __init__(
        self,
        folder: Path,
        blobs_of: BlobsOf,
        environ: Mapping[str, str],
        program: Sequence[str] = PROGRAM,
        home: MachinePlace | None = None,
        max_bytes: int = sys.maxsize,
    ) -> None:
        self._folder = folder
        self._blobs_of = blobs_of
        proved_nothing = without_token(environ, OPERATOR_VARIABLE)
        self._environ = {
            name: one for name, one in proved_nothing.items() if not name.startswith(_OF_FLEET)
        }
        self._program = program
        self._home = home
        self._max_bytes = max_bytes

    async def begin(self, run: FleetRun, claim: Claim) -> SiteAttempt:
        """Lay out the head of a run, and start the process of an attempt."""
        # Processes that an earlier attempt left behind know another folder.
        root = self._folder / f"{run.run_id}-{claim.epoch}"
        try:
            return await self._begin(run, claim, root)
        except BaseException:
            # Nothing else removes it before the end of the worker, and the disk may be full.
            await asyncio.to_thread(remove_place, root)
            raise

    async def _begin(self, run: FleetRun, claim: Claim, root: Path) -> SiteAttempt:
        place = MachinePlace.below(root)
        tree = await HeadTree.load(await self._blobs_of(run.area), claim.head)
        size = HeadSize(self._max_bytes)
        async for name, entry in tree.files():
            size.add(name, entry.size)
        size.require_allowed()
        await asyncio.to_thread(_clear, root, self._folder.parent / ACCOUNTS)
        await lay_out(tree, tree.files(), place)
        await self._make_repository(place, run.directory)
        given = await asyncio.to_thread(_leave_orders, place.runs, run.directory, run.orders)
        collector = Collector(place, lambda: _run_ids(place.runs, run.directory), size)
        await asyncio.to_thread(collector.skip)
        process, end = await self._start(root, run)
        streams = await asyncio.open_connection(sock=end, limit=_LONGEST_LINE)
        return _Attempt(run.directory, root, tree, collector, process, streams, given)

    async def _make_repository(self, place: MachinePlace, run_id: str) -> None:
        """Make the repository whose objects the store of a run borrows."""
        record = read_record(place.store(run_id))
        if record is None:
            return
        git_dir = place.project / ".git"
        git_dir.mkdir()
        git = Git(git_dir, self._environ.get("PATH", ""), place.project)
        kind = f"--object-format={record.object_format}"
        await git.run("init", "--quiet", "--template=", kind)
        pack = place.project / BASE
        if pack.exists():
            await git.run_from(pack, "index-pack", "--stdin")

    async def _start(
        self, root: Path, run: FleetRun
    ) -> tuple[asyncio.subprocess.Process, socket.socket]:
        ours, theirs = socket.socketpair()
        of_label = list[str]()
        if self._home and run.label:
            home = self._home
            of_label = [str(home.runs), str(home.state), str(home.project), run.project]
        with theirs, (root / "attempt.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self._program,
                str(root),
                run.directory,
                str(theirs.fileno()),
                *of_label,
                cwd=root / PROJECT,
                env=self._environ,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        return process, ours


class _Attempt:
    """A process of an attempt on this machine."""

    def __init__(
        self,
        run_id: str,
        root: Path,
        tree: HeadTree,
        collector: Collector,
        process: asyncio.subprocess.Process,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        given: Collection[str],
    ) -> None:
        self.carried_out: Collection[str] = ()
        self._run_id = run_id
        self._given = {*given}
        self._root = root
        self._runs = MachinePlace.below(root).runs
        self._tree = tree
        self._collector = collector
        self._process = process
        self._reader, self._writer = streams
        self._is_canceled = False
        self._recorded = _journal_of(self._runs, run_id)

    async def next(self) -> AttemptSign:
        """Return the next sign of the process."""
        # The kernel breaks the sockets of a process that dies before it has read everything.
        with suppress(OSError):
            while line := await self._reader.readline():
                message = parse_object(line) or {}
                if isinstance(number := message.get(KEEP), int):
                    ends_stage = message.get(STAGE) is True
                    return KeepAsked(number, _spent(message), ends_stage=ends_stage)
                if isinstance(report := message.get(ENDED), dict):
                    await self._await_end()
                    return AttemptEnded(report, _spent(report))
        return AttemptGone(await self._process.wait())

    async def save(self) -> str:
        """Store what is written, and return its head."""
        # Before the files are collected, so that the head has them.
        self.carried_out = await asyncio.to_thread(_done, self._runs, self._run_id, self._given)
        await self._collector.collect(self._tree)
        if self._collector.size:
            self._collector.size.require_allowed()
        head = await self._tree.save()
        self._recorded = await asyncio.to_thread(_journal_of, self._runs, self._run_id)
        return head

    async def tail(self) -> str:
        """Return the end of what the process has recorded since the last commit."""
        return await asyncio.to_thread(_read_after, *self._recorded)

    async def answer(self, number: int) -> None:
        """Let the process continue after a commit."""
        await self._say({KEPT: number})

    async def cancel(self) -> None:
        """Let the process cancel its run, unless it has such an order of a person."""
        if not self._is_canceled:
            order = Order(Action.CANCEL, "fleet", "canceled in the fleet")
            inbox = RunDirectory(chain_of(self._runs, self._run_id)[-1]).inbox
            leave_order(inbox, order, name=new_run_id(datetime.now(UTC), os.urandom))
            self._is_canceled = True

    async def give(self, orders: Mapping[str, JsonObject]) -> None:
        """Leave orders of people in the inbox of the run, each once."""
        new = {name: orders[name] for name in orders.keys() - self._given}
        # If this attempt ends now, the next one gets them.
        with suppress(FileError):
            self._given |= await asyncio.to_thread(_leave_orders, self._runs, self._run_id, new)
        given = self._given & orders.keys()
        self._is_canceled |= any(orders[name]["action"] == Action.CANCEL for name in given)

    async def stop(self, why: str) -> None:
        """Let the process end after its stages in flight."""
        await self._say({LEAVE: why})

    async def kill(self, why: str) -> None:
        """End the process with its stages at once, and keep what is not committed."""
        await self._say({LOST: why})
        await self._await_end()
        # On a full disk nothing is kept: `close` frees it, and the run must not wait for that.
        with suppress(FileError, OSError):
            await asyncio.to_thread(_set_aside, self._root, self._run_id)

    async def close(self) -> None:
        """Remove what is laid out: the store has it."""
        self._writer.close()
        await asyncio.to_thread(remove_place, self._root)

    async def _await_end(self) -> None:
        """Wait for the end of the process, and kill it if that takes long."""
        try:
            await asyncio.wait_for(self._process.wait(), _GRACE_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()

    async def _say(self, message: JsonObject) -> None:
        # A process that is gone is found by `next`.
        with suppress(OSError):
            self._writer.write(canonical_json(message).encode() + b"\n")
            await self._writer.drain()


_GRACE_S = 3.0
_LONGEST_LINE = 1 << 24


def _spent(message: JsonObject) -> Spent | None:
    match message.get(USED):
        case [int() | float() as cost, int() as tokens, int() as unpriced] if (
            min(cost, tokens, unpriced) >= 0
        ):
            return Spent(float(cost), tokens, unpriced)
        case _:
            return None


def _clear(root: Path, accounts: Path) -> None:
    """Make an empty place; all places of a worker know the limits of the same accounts."""
    remove_place(root)
    place = MachinePlace.below(root)
    for folder in (root, place.project, place.runs, place.state, place.state / AGENTS, accounts):
        make_private_folder(folder)
    (place.state / ACCOUNTS).symlink_to(accounts)


def _run_ids(runs: Path, run_id: str) -> Sequence[str]:
    """Return the ids of a run and of its restarts, but no folder that an agent made."""
    if os.listdir(runs) == [run_id]:  # noqa: PTH208 - before each commit
        return [run_id]
    return [root.name for root in chain_of(runs, run_id)]


def _leave_orders(runs: Path, run_id: str, orders: Mapping[str, JsonObject]) -> set[str]:
    """Leave orders in the inbox of the last run of a chain; a message waits for a stage.

    Return those that the process has now, or has carried out before.
    """
    if not orders:
        return set()
    directory = RunDirectory(chain_of(runs, run_id)[-1])
    walks = open_journal(directory.events, directory.checkpoint).state.walks
    is_at_work = any(walk.in_flight for walk in walks.values())
    given = _done(runs, run_id, orders)
    for name in orders.keys() - given:
        order = read_fields(Order, orders[name])
        is_early = order.action is Action.STEER and not is_at_work
        if order.action is not Action.PAUSE and not is_early:
            leave_order(directory.inbox, order, name=name)
            given.add(name)
    return given


def _journal_of(runs: Path, run_id: str) -> tuple[Path, int]:
    """Return the journal of the last run of a chain, and its size."""
    last = _run_ids(runs, run_id)[-1] if (runs / run_id).exists() else run_id
    journal = RunDirectory(runs / last).events
    return journal, journal.stat().st_size if journal.exists() else 0


def _read_after(journal: Path, at: int) -> str:
    """Return the lines at the end of a journal, after a place in it."""
    with journal.open("rb") as file:
        start = max(at, file.seek(0, os.SEEK_END) - TAIL_BYTES)
        file.seek(start)
        content = file.read()
    # The first line may have lost its beginning, and the last one has no end yet.
    content = content[: content.rfind(b"\n") + 1]
    return (content if start == at else content.partition(b"\n")[2]).decode(errors="replace")


def _done(runs: Path, run_id: str, orders: Collection[str]) -> set[str]:
    """Return the orders that the process of a run has carried out or refused."""
    done = [RunDirectory(one).inbox / "done" for one in (chain_of(runs, run_id) if orders else ())]
    return {name for name in orders if any((one / f"{name}.json").exists() for one in done)}


def remove_place(root: Path) -> None:
    """Remove a place, and the workspaces outside of it: a link names their folder."""
    with suppress(OSError):
        remove_tree(workspaces_folder(MachinePlace.below(root).state).readlink())
    remove_tree(root)


def _set_aside(root: Path, run_id: str) -> None:
    """Keep the files of an attempt that lost its run, of each run the last ones."""
    aside = root.parent / INCIDENTS / run_id
    if not root.exists():
        return
    # Its suite is not needed any more.
    remove_tree(MachinePlace.below(root).state / EVALUATION)
    make_private_folder(aside.parent)
    remove_place(aside)
    root.rename(aside)
