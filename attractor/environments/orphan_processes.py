"""Finds and ends orphan processes in the process table."""

import asyncio
import os
import secrets
import signal
import sys
import weakref
from collections.abc import (
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Set,
)
from contextlib import closing, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import ClassVar

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError
from attractor.base.locks import SharedLock
from attractor.base.processes import STARTED

_PIECE = 64 * 1024
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Process:
    """A living process, identified by process id and start time."""

    number: int
    parent: int
    session: int
    started: str
    name: str


def process_numbers() -> list[int]:
    """Return the ids of all processes, newest first."""
    # A fork bomb replaces its processes before a long list is read.
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - every moment counts
    except FileNotFoundError:  # macOS
        return []
    return sorted((int(name) for name in names if name.isdigit()), reverse=True)


def find_process(number: int) -> Process | None:
    """Return the process with an id; None if the process is gone or dead."""
    try:
        stat = _read(f"/proc/{number}/stat")
    except OSError:
        return None
    # The name in parentheses may contain spaces and parentheses.
    head, _, tail = stat.rpartition(b")")
    state, parent, _, session, *fields = tail.split()
    if state in (b"Z", b"X"):
        return None
    name = head.partition(b"(")[2].decode("utf-8", "replace")
    return Process(number, int(parent), int(session), fields[15].decode(), name)


def variable_of_all(
    name: str, settled: set[int] | None = None
) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield each process with the values of a variable in the process, usually one value or none.

    For repeated calls, processes that can never have a value are added to `settled`, and the next
    call skips these processes. Most of them belong to the kernel.
    """
    settled = set() if settled is None else settled
    bare: list[int] = []
    for number in process_numbers():
        if number in settled:
            continue
        variables = _variables(number)
        if not variables:
            bare.append(number)
            continue
        values = _values(variables, name.encode())
        if not values:
            settled.add(number)
        yield number, values
    # A process in exec shows no variables for a moment.
    for number in bare:
        variables = _variables(number)
        if not variables and not _has_program(number):
            settled.add(number)
        yield number, _values(variables, name.encode())


def variable_of(number: int, name: str) -> Sequence[str]:
    """Return the values of a variable in a process, usually one value or none."""
    return _values(_variables(number), name.encode())


def ancestors() -> Iterator[int]:
    """Yield the ids of the ancestors of this process, the nearest first."""
    process = find_process(os.getpid())
    while process and process.parent:
        yield process.parent
        process = find_process(process.parent)


def executes_unguarded(number: int) -> bool:
    """Return whether a process executes a stage without a sandbox: it has that lock open."""
    folder = f"/proc/{number}/fd"
    with suppress(OSError):
        for name in os.listdir(folder):  # noqa: PTH208 - every moment counts
            with suppress(OSError):
                if os.readlink(f"{folder}/{name}").endswith(f"/{UNGUARDED}"):  # noqa: PTH115
                    return True
    return False


def signal_process(process: Process, number: int) -> bool:
    """Send a signal; return whether the process was alive and belonged to this user."""
    # Its id may be reused.
    now = find_process(process.number)
    if now is None or now.started != process.started:
        return False
    try:
        os.kill(process.number, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def belongs_to(number: int, owner: int) -> bool:
    """Return whether a process belongs to a user."""
    with suppress(OSError):
        return os.stat(f"/proc/{number}").st_uid == owner  # noqa: PTH116 - every moment counts
    return False


def relatives_of(number: int, living: Mapping[int, Process]) -> Set[int]:
    """Return a process with its ancestors and descendants."""
    return ancestors_of(number, living) | {
        process for process in living if number in ancestors_of(process, living)
    }


def ancestors_of(number: int, living: Mapping[int, Process]) -> set[int]:
    """Return a process with its ancestors."""
    line: set[int] = set()
    while number and number not in line:
        line.add(number)
        number = living[number].parent if number in living else 0
    return line


def _variables(number: int) -> bytes:
    try:
        return _read(f"/proc/{number}/environ")
    except OSError:  # gone, of another user, or not dumpable
        return b""


def _has_program(number: int) -> bool:
    """Return whether a process runs a visible program; a kernel thread runs no program."""
    try:
        os.readlink(f"/proc/{number}/exe")  # noqa: PTH115 - every moment counts
    except OSError:
        return False
    return True


def _values(variables: bytes, name: bytes) -> Sequence[str]:
    if name not in variables:
        return ()
    begin = name + b"="
    return [
        variable.removeprefix(begin).decode("utf-8", "replace")
        for variable in variables.split(b"\0")
        if variable.startswith(begin)
    ]


def _read(path: str) -> bytes:
    # Without a file object, for speed: this runs for every process.
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(iter(lambda: os.read(file, _PIECE), b""))
    finally:
        os.close(file)


# Without the prefix of settings: unknown settings are rejected.
MARK = "STARTED_BY_ATTRACTOR"
UNGUARDED = "unguarded.lock"
"""The file of a state folder that is locked while a stage executes commands without a sandbox."""


@dataclass(frozen=True)
class ProcessMark:
    """The parts of a mark: the run id of a command, and the process that started the command."""

    run_id: str
    runner: int
    started: str

    @property
    def is_orphaned(self) -> bool:
        """Whether the process that started the command is gone."""
        runner = find_process(self.runner)
        return runner is None or runner.started != self.started


def new_mark(run_id: str = "") -> str:
    """Return a mark for the commands of an environment."""
    runner = os.getpid()
    known = find_process(runner)
    return f"{run_id}.{runner}-{known.started if known else ''}.{secrets.token_hex(16)}"


def read_mark(value: str) -> ProcessMark | None:
    """Return the parts of a mark; None if the mark is invalid."""
    run_id, _, rest = value.rpartition(".")[0].rpartition(".")
    runner, _, started = rest.partition("-")
    if not (runner.isascii() and runner.isdigit() and started):
        return None
    return ProcessMark(run_id, int(runner), started)


def orphans_adopted() -> Iterator[int]:
    """Yield the children of this process, alive or dead, that it did not start itself."""
    own, session = os.getpid(), os.getsid(0)
    for number in process_numbers():
        with suppress(OSError):
            fields = _read(f"/proc/{number}/stat").rpartition(b")")[2].split()
            is_foreign = int(fields[3]) != session and number not in STARTED
            if int(fields[1]) == own and is_foreign:
                yield number


def become_reaper() -> None:
    """Let this process adopt the orphans of all its descendants; only Linux can do this."""
    # Slow to import, and only runs without a sandbox need it.
    import ctypes

    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


POLL_S = 0.02
"""The time between two searches."""

_GRACE_S = 2.0
# Nobody waits any longer for the output of these processes.
_SHORT_GRACE_S = 1.0
# Time for the kernel to execute a SIGKILL.
_KILL_S = 5.0
# A single search may miss a process that forks quickly.
_SEARCHES = 6

Spare = Callable[[Mapping[int, Process]], Set[int]]
"""Type of a function that returns the ids of processes that must not be killed."""


def _ourselves(living: Mapping[int, Process]) -> Set[int]:
    return {os.getpid()}


def can_find_orphans() -> bool:
    """Return whether this machine shows the marks of processes."""
    return os.access("/proc/self/environ", os.R_OK)


async def kill_marked(mark: str, *, adopted: bool = False, grace: float = _GRACE_S) -> None:
    """Stop all processes with a mark, and kill the processes that do not exit.

    With `adopted`, also end the orphans that this process adopted.
    """
    hunt = ProcessHunt(lambda carried: carried == mark, adopted=adopted)
    await kill_all(hunt, grace=grace)
    if adopted:
        for number in orphans_adopted():
            with suppress(ChildProcessError):
                os.waitpid(number, os.WNOHANG)


async def kill_all(hunt: "ProcessHunt", *, grace: float = _GRACE_S) -> None:
    """Stop all processes of a hunt, and kill the processes that do not exit."""
    # On cancellation, closing the generator kills the rest at once.
    with closing(hunt.rounds(grace)) as rounds:
        for _ in rounds:
            await asyncio.sleep(POLL_S)


class ProcessHunt:
    """A search for processes with certain marks, and for processes in the same sessions.

    `ended` are the processes that got a signal. With `adopted`, the search includes orphans
    that this process adopted. The marks are the values of a `variable`.
    """

    def __init__(
        self,
        is_hunted: Callable[[str], bool],
        *,
        spare: Spare = _ourselves,
        adopted: bool = False,
        variable: str = MARK,
    ) -> None:
        self._is_hunted = is_hunted
        self._variable = variable
        self._spare = spare
        self._adopted = adopted
        self._sessions: set[int] = set()
        self.ended: dict[tuple[int, str], Process] = {}

    def rounds(self, grace: float = _GRACE_S) -> Generator[None]:
        """Stop all processes; yield whenever the caller has to wait."""
        settled: set[int] = set()
        is_clear = False
        try:
            if self._signal(signal.SIGTERM, settled):
                settled.clear()
                yield from self._wait_until_gone(grace, 0)
            else:
                is_clear = True
        finally:
            left = () if is_clear else self._signal(signal.SIGKILL, settled)
        if left and (left := (yield from self._wait_until_gone(_KILL_S, signal.SIGKILL))):
            number = left[0].number
            raise MachineryError(
                f"process {number} is alive after SIGKILL", hint="inspect it with ps"
            )

    def found(self, settled: set[int] | None = None) -> Sequence[Process]:
        """Return all processes found now, each before its descendants.

        A repeated search skips the processes in `settled`, because these processes have no mark.
        """
        marked = _known(
            number
            for number, carried in variable_of_all(self._variable, settled)
            if any(map(self._is_hunted, carried))
        )
        if self._adopted:
            marked |= _known(orphans_adopted())
        if not (marked or self._sessions):
            return ()
        living = marked | _known(number for number in process_numbers() if number not in marked)
        found = self._with_kin(marked, living, self._spare(living))
        if found:
            # Only from the last search: an older id may be reused.
            self._sessions = self._sessions_of(found, living)
        # A shell continues with its next command if its child is killed first.
        oldest_first = sorted(found, key=lambda number: len(ancestors_of(number, living)))
        return [living[number] for number in oldest_first]

    def _with_kin(
        self, marked: Iterable[int], living: Mapping[int, Process], spared: Set[int]
    ) -> Set[int]:
        """Return the marked processes, their descendants, and all processes of these sessions."""
        found, sessions = set(marked) - spared, self._sessions
        while True:
            # Every command has its own session, so the session of this process is never included.
            sessions = sessions | self._sessions_of(found, living)
            more = {
                process.number
                for process in living.values()
                if process.number in found or process.parent in found or process.session in sessions
            }
            if more - spared == found:
                return found
            found = more - spared

    def _signal(self, number: int, settled: set[int]) -> Sequence[Process]:
        """Signal all processes found, and return them."""
        there: list[Process] = []
        found: Sequence[Process] = ()
        known: set[int] = set()
        for _ in range(_SEARCHES):
            # A search misses a process that forks and exits meanwhile, but then its child is new.
            numbers = set(process_numbers())
            if there or (numbers <= known and not found):
                break
            known, found = numbers, self.found(settled)
            # A found process may be gone.
            there = [process for process in found if signal_process(process, number)]
        self.ended |= {(process.number, process.started): process for process in there if number}
        return there

    def _wait_until_gone(
        self, seconds: float, number: int
    ) -> Generator[None, None, Sequence[Process]]:
        """Signal processes until no process is left or the time is up.

        Return the remaining processes.
        """
        until = monotonic() + seconds
        while (left := self._signal(number, set())) and monotonic() < until:
            yield
        return left

    @staticmethod
    def _sessions_of(found: Collection[int], living: Mapping[int, Process]) -> set[int]:
        return {living[number].session for number in found} - {os.getsid(0), 0}


def _known(numbers: Iterable[int]) -> dict[int, Process]:
    """Return the living processes."""
    found = ((number, find_process(number)) for number in numbers)
    return {number: process for number, process in found if process}


async def kill_orphans(run_id: str) -> Sequence[Process]:
    """Kill the processes that a crashed run left running, and return the killed processes."""
    hunt = _hunt(run_id)
    # One search first: a resumed run without orphans should not wait.
    if hunt.found():
        await kill_all(hunt)
    return _ended(hunt)


def kill_orphans_blocking(run_id: str) -> Sequence[Process]:
    """Kill processes that a crashed run left running, and block until they are gone."""
    hunt = _hunt(run_id)
    if hunt.found():
        for _ in hunt.rounds():
            sleep(POLL_S)
    return _ended(hunt)


def find_orphans(run_id: str) -> Sequence[Process]:
    """Return processes that a crashed run left running, without killing them."""
    return _in_order(_hunt(run_id).found())


def runs_with_orphans() -> Set[str]:
    """Return the runs with processes left running on this machine."""
    carried = {mark for _, values in variable_of_all(MARK) for mark in values}
    marks = [mark for mark in map(read_mark, carried) if mark and mark.run_id]
    return {mark.run_id for mark in marks if mark.is_orphaned}


# On a killed process, the shell sees the end of its input, and becomes the program.
_WAIT_FOR_END = 'read -r dismissed || exec "$@"'


class Guardian:
    """Kills the commands that this process started, as soon as this process is killed.

    A shell waits, because it needs less memory and starts faster than Python. It is dismissed with
    this object, and at a regular exit of this process.

    While commands of a stage can run, this process has a shared lock on the file `lock`. With
    `adopts`, this process adopts orphans of the commands; it must have no children of other origin.
    """

    _executing: ClassVar[set[object]] = set()
    """The executing stages of this process, which share its children."""

    def __init__(self, *, lock: Path | None = None, adopts: bool = False) -> None:
        self._is_started = False
        self._lock = SharedLock(lock) if lock else None
        self._adopts = adopts
        self._stages: set[object] = set()

    def begin(self, stage: object) -> None:
        """Watch the commands of a stage; harmless when repeated."""
        if stage in self._stages:
            return
        if self._lock and not self._stages:
            self._lock.acquire()
        self._stages.add(stage)
        self._executing.add(stage)
        self._start()

    def is_alone(self, stage: object) -> bool:
        """Return whether all adopted orphans are of a stage: no other stage executes."""
        return self._adopts and self._executing <= {stage}

    def end(self, stage: object) -> None:
        """Stop watching a stage whose commands are gone."""
        self._stages.discard(stage)
        self._executing.discard(stage)
        if self._lock and not self._stages:
            self._lock.release()

    def _start(self) -> None:
        runner = None if self._is_started else find_process(os.getpid())
        if self._adopts and not self._is_started:
            become_reaper()
        self._is_started = True
        # Without a process table there is nothing to watch with.
        if runner is not None:
            weakref.finalize(self, _dismiss, *_start_guardian(runner))


def _start_guardian(runner: Process) -> tuple[int, int]:
    """Return the process id of the shell, and the pipe that ends with this process."""
    # Isolated: the current folder may contain modules of an agent.
    root = str(Path(__file__).parents[2])
    call = f"{kill_started_by.__name__}({runner.number}, {runner.started!r})"
    code = f"import sys; sys.path.insert(0, {root!r}); import {__name__} as this; this.{call}"
    reader, writer = os.pipe()
    try:
        shell = os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", _WAIT_FOR_END, "sh", sys.executable, "-I", "-c", code],
            {},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, reader, 0),
                *((os.POSIX_SPAWN_OPEN, file, os.devnull, os.O_WRONLY, 0) for file in (1, 2)),
            ],
            setsid=True,
        )
    except BaseException:
        os.close(writer)
        raise
    finally:
        os.close(reader)
    STARTED.add(shell)
    return shell, writer


def _dismiss(shell: int, pipe: int) -> None:
    with suppress(BrokenPipeError):
        os.write(pipe, b"\n")
    os.close(pipe)
    with suppress(ChildProcessError):
        os.waitpid(shell, 0)


def kill_started_by(runner: int, started: str) -> None:
    """Kill the commands that a killed process started, and block until they are gone."""

    def is_left(carried: str) -> bool:
        mark = read_mark(carried)
        return bool(mark and (mark.runner, mark.started) == (runner, started))

    for _ in ProcessHunt(is_left, spare=_spared).rounds(_SHORT_GRACE_S):
        sleep(POLL_S)


def _hunt(run_id: str) -> ProcessHunt:
    def is_left(carried: str) -> bool:
        mark = read_mark(carried)
        return bool(mark and run_id and mark.run_id == run_id and mark.is_orphaned)

    return ProcessHunt(is_left, spare=_spared)


def _spared(living: Mapping[int, Process]) -> Set[int]:
    own = os.geteuid()
    foreign = {number for number in living if not belongs_to(number, own)}
    return relatives_of(os.getpid(), living) | foreign


def _ended(hunt: ProcessHunt) -> Sequence[Process]:
    return _in_order(hunt.ended.values())


def _in_order(processes: Iterable[Process]) -> Sequence[Process]:
    return sorted(processes, key=lambda process: process.number)
