"""Kills processes that commands on the operator's machine left running.

Every command has an environment variable with a mark, which its processes inherit:
`RUN.PID-START.RANDOM` names the run, the process of the run, and at random the environment. Killed
are processes with the mark, their descendants, and their sessions. Not found are processes that
clear their variables and leave the session, processes that another program started (at, docker,
systemd), fork bombs without a pause, and all processes where there is no /proc.

After a crash, a resumed run kills the processes whose mark names the run and whose process is gone.
Never killed are this process, its ancestors and descendants, and processes of other users.
"""

import asyncio
import os
import secrets
import signal
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence, Set
from contextlib import closing
from time import monotonic, sleep

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError
from attractor.environments.process_table import (
    Process,
    ancestors_of,
    belongs_to,
    find_process,
    process_numbers,
    relatives_of,
    signal_process,
    variable_of_all,
)

# Without the prefix of settings: unknown settings are rejected.
MARK = "STARTED_BY_ATTRACTOR"


@dataclass(frozen=True)
class ProcessMark:
    """The run of a command, and the process that started it, with its start time."""

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
    """Return the parts of a mark, None if it is invalid."""
    run_id, _, rest = value.rpartition(".")[0].rpartition(".")
    runner, _, started = rest.partition("-")
    if not (runner.isascii() and runner.isdigit() and started):
        return None
    return ProcessMark(run_id, int(runner), started)


POLL_S = 0.02
"""The time between two searches."""

_GRACE_S = 2.0
# Time for the kernel to execute a SIGKILL.
_KILL_S = 5.0
# A single search may miss a process that forks quickly.
_SEARCHES = 6

Spare = Callable[[Mapping[int, Process]], Set[int]]
"""Returns the ids of processes that must not be killed."""


def _ourselves(living: Mapping[int, Process]) -> Set[int]:
    return {os.getpid()}


def can_find_orphans() -> bool:
    """Return whether this machine shows the marks of processes."""
    return os.access("/proc/self/environ", os.R_OK)


async def kill_marked(mark: str, *, grace: float = _GRACE_S) -> None:
    """Stop all processes with a mark, and kill those that do not exit."""
    await kill_all(ProcessHunt(lambda carried: carried == mark), grace=grace)


async def kill_all(hunt: "ProcessHunt", *, grace: float = _GRACE_S) -> None:
    """Stop all processes of a hunt, and kill those that do not exit."""
    # On cancellation, closing the generator kills the rest at once.
    with closing(hunt.rounds(grace)) as rounds:
        for _ in rounds:
            await asyncio.sleep(POLL_S)


class ProcessHunt:
    """The search for processes with some marks, and their sessions.

    `ended` are the processes that got a signal.
    """

    def __init__(self, is_hunted: Callable[[str], bool], *, spare: Spare = _ourselves) -> None:
        self._is_hunted = is_hunted
        self._spare = spare
        self._sessions: set[int] = set()
        self.ended: dict[tuple[int, str], Process] = {}

    def rounds(self, grace: float = _GRACE_S) -> Generator[None]:
        """Stop all processes; yield whenever the caller has to wait."""
        settled: set[int] = set()
        try:
            if self._signal(signal.SIGTERM, settled):
                settled.clear()
                yield from self._wait_until_gone(grace, 0)
        finally:
            # At least once.
            left = self._signal(signal.SIGKILL, settled)
        if left and (left := (yield from self._wait_until_gone(_KILL_S, signal.SIGKILL))):
            number = left[0].number
            raise MachineryError(
                f"process {number} is alive after SIGKILL", hint="inspect it with ps"
            )

    def found(self, settled: set[int] | None = None) -> Sequence[Process]:
        """Return all processes found now, each before its descendants.

        A repeated search skips the processes in `settled`, which have no mark.
        """
        marked = _known(
            number
            for number, carried in variable_of_all(MARK, settled)
            if any(map(self._is_hunted, carried))
        )
        if not (marked or self._sessions):
            return ()
        living = marked | _known(one for one in process_numbers() if one not in marked)
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
        """Return processes with a mark, their descendants and their sessions."""
        found, sessions = set(marked) - spared, self._sessions
        while True:
            # Every command has its own session, so ours is never included.
            sessions = sessions | self._sessions_of(found, living)
            more = {
                one.number
                for one in living.values()
                if one.number in found or one.parent in found or one.session in sessions
            }
            if more - spared == found:
                return found
            found = more - spared

    def _signal(self, number: int, settled: set[int]) -> Sequence[Process]:
        """Signal all processes found, and return them."""
        # Repeated: a search of /proc may miss a process that forks meanwhile, and a found
        # process may be gone.
        searches = (self.found(settled) for _ in range(_SEARCHES))
        signalled = ([one for one in found if signal_process(one, number)] for found in searches)
        there = next((processes for processes in signalled if processes), list[Process]())
        self.ended |= {(one.number, one.started): one for one in there if number}
        return there

    def _wait_until_gone(
        self, seconds: float, number: int
    ) -> Generator[None, None, Sequence[Process]]:
        """Signal processes until none is left or the time is up; return the rest."""
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
    """Kill processes that a crashed run left running, and return them."""
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
    carried = {one for _, values in variable_of_all(MARK) for one in values}
    marks = [mark for mark in map(read_mark, carried) if mark and mark.run_id]
    return {mark.run_id for mark in marks if mark.is_orphaned}


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
    return sorted(processes, key=lambda one: one.number)
