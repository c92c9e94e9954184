"""Ends what commands on the operator's own machine left running, as far as that can be known.

Every command gets a variable with a mark of its environment, which those it starts inherit. Who
carries the mark, descends from one who does, or is in its session, is ended. Who clears its
variables and is on its own by then is not known, nor who was started by another program (at,
docker, systemd), nor who forks on and on without a pause, nor anybody where there is no /proc.

The mark that commands on the operator's own machine carry, and hand on to those they start.

It names the run, the process that runs it, and, at random, the environment: `RUN.PID-START.RANDOM`.
So a stage finds what it began itself, and the next life of a run what an earlier one began. Whoever
forges a mark marks nobody but himself.

Ends what an earlier life of a run left running: its process was killed, its commands were not.

A command is taken for left when its mark names the run, and the process that began it is gone. One
look goes through the variables of all processes; more is done only where somebody is found. Spared
are we, those we descend from and those who descend from us, and all that belongs to another user.
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
    family_of,
    find_process,
    is_owned,
    line_of,
    process_numbers,
    signal_process,
    variable_of_all,
)

# Not with the prefix of our settings: what is unknown among those is refused.
MARK = "STARTED_BY_ATTRACTOR"


@dataclass(frozen=True)
class ProcessMark:
    """Which run a command was begun for, and by which process: its number and its start."""

    run_id: str
    runner: int
    started: str

    @property
    def is_orphaned(self) -> bool:
        """Whether the process that began the command is gone."""
        runner = find_process(self.runner)
        return runner is None or runner.started != self.started


def new_mark(run_id: str = "") -> str:
    """Return a mark for the commands of an environment, of a run if it is one's."""
    runner = os.getpid()
    known = find_process(runner)
    return f"{run_id}.{runner}-{known.started if known else ''}.{secrets.token_hex(16)}"


def read_mark(value: str) -> ProcessMark | None:
    """Read what a mark says, if it is one."""
    run_id, _, rest = value.rpartition(".")[0].rpartition(".")
    runner, _, started = rest.partition("-")
    if not (runner.isascii() and runner.isdigit() and started):
        return None
    return ProcessMark(run_id, int(runner), started)


POLL_S = 0.02
"""How long to wait between two looks."""

_GRACE_S = 2.0
# Time for the kernel to carry a SIGKILL out.
_KILL_S = 5.0
# One look in a few misses somebody who forks as fast as he can.
_LOOKS = 6

Spare = Callable[[Mapping[int, Process]], Set[int]]
"""Returns the numbers of those, among all who live, that are not to be ended."""


def _ourselves(living: Mapping[int, Process]) -> Set[int]:
    return {os.getpid()}


def can_be_known() -> bool:
    """Tell whether this machine shows who carries a mark."""
    return os.access("/proc/self/environ", os.R_OK)


async def end_marked(mark: str, *, grace: float = _GRACE_S) -> None:
    """Ask all who carry a mark to end, kill who does not, and see them gone."""
    await end_all(Hunt(lambda carried: carried == mark), grace=grace)


async def end_all(hunt: "Hunt", *, grace: float = _GRACE_S) -> None:
    """Ask all who are hunted to end, kill who does not, and see them gone."""
    # Who is cancelled has no time left, and must leave nobody behind: closing sees to that.
    with closing(hunt.rounds(grace)) as rounds:
        for _ in rounds:
            await asyncio.sleep(POLL_S)


class Hunt:
    """The search for those of some marks, and the sessions they were seen in.

    `ended` are those who were there to be asked or killed.
    """

    def __init__(self, is_hunted: Callable[[str], bool], *, spare: Spare = _ourselves) -> None:
        self._is_hunted = is_hunted
        self._spare = spare
        self._sessions: set[int] = set()
        self.ended: dict[tuple[int, str], Process] = {}

    def rounds(self, grace: float = _GRACE_S) -> Generator[None]:
        """End them all; yield whenever there is nothing to be done but to wait a moment."""
        settled: set[int] = set()
        try:
            if self._signal(signal.SIGTERM, settled):
                settled.clear()
                yield from self._until_gone(grace, 0)
        finally:
            # Once in any case.
            left = self._signal(signal.SIGKILL, settled)
        if left and (left := (yield from self._until_gone(_KILL_S, signal.SIGKILL))):
            number = left[0].number
            raise MachineryError(
                f"process {number} goes on after SIGKILL", hint="look at it with ps"
            )

    def found(self, settled: set[int] | None = None) -> Sequence[Process]:
        """Return all who can be found now, each before those that descend from it.

        Of two looks at once, the second one passes over whom the first one `settled`.
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
            # Only those of the last look: a number from before may be somebody else's by now.
            self._sessions = self._sessions_of(found, living)
        # A shell whose command is ended first goes on with the next one.
        oldest_first = sorted(found, key=lambda number: len(line_of(number, living)))
        return [living[number] for number in oldest_first]

    def _with_kin(
        self, marked: Iterable[int], living: Mapping[int, Process], spared: Set[int]
    ) -> Set[int]:
        """Return who carries a mark, descends from one who does, or is in the session of one."""
        found, sessions = set(marked) - spared, self._sessions
        while True:
            # Every command begins with a session of its own, so ours is never among them.
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
        """Signal all who can be found, and return them."""
        # Looked for again and again: who forks while we go through /proc can be overlooked, and
        # who was found can be gone, with another in his place.
        looks = (self.found(settled) for _ in range(_LOOKS))
        signalled = ([one for one in found if signal_process(one, number)] for found in looks)
        there = next((ones for ones in signalled if ones), list[Process]())
        self.ended |= {(one.number, one.started): one for one in there if number}
        return there

    def _until_gone(self, seconds: float, number: int) -> Generator[None, None, Sequence[Process]]:
        """Signal them until none is left or the time is up; return who is."""
        until = monotonic() + seconds
        while (left := self._signal(number, set())) and monotonic() < until:
            yield
        return left

    @staticmethod
    def _sessions_of(found: Collection[int], living: Mapping[int, Process]) -> set[int]:
        return {living[number].session for number in found} - {os.getsid(0), 0}


def _known(numbers: Iterable[int]) -> dict[int, Process]:
    """Return those who live; who is gone meanwhile is left out."""
    found = ((number, find_process(number)) for number in numbers)
    return {number: process for number, process in found if process}


async def end_left_by(run_id: str) -> Sequence[Process]:
    """End what earlier lives of a run left running; return who that was."""
    hunt = _hunt(run_id)
    # Once, without the haste of those who fork: a run that goes on is not to wait for nothing.
    if hunt.found():
        await end_all(hunt)
    return _ended(hunt)


def end_left_by_now(run_id: str) -> Sequence[Process]:
    """End what earlier lives of a run left running, and let everything else wait for that."""
    hunt = _hunt(run_id)
    if hunt.found():
        for _ in hunt.rounds():
            sleep(POLL_S)
    return _ended(hunt)


def left_by(run_id: str) -> Sequence[Process]:
    """Return what earlier lives of a run left running, and end nobody."""
    return _in_order(_hunt(run_id).found())


def runs_that_left() -> Set[str]:
    """Return the runs whose earlier lives left anything running on this machine."""
    carried = {one for _, values in variable_of_all(MARK) for one in values}
    marks = [mark for mark in map(read_mark, carried) if mark and mark.run_id]
    return {mark.run_id for mark in marks if mark.is_orphaned}


def _hunt(run_id: str) -> Hunt:
    def is_left(carried: str) -> bool:
        mark = read_mark(carried)
        return bool(mark and run_id and mark.run_id == run_id and mark.is_orphaned)

    return Hunt(is_left, spare=_spared)


def _spared(living: Mapping[int, Process]) -> Set[int]:
    own = os.geteuid()
    foreign = {number for number in living if not is_owned(number, own)}
    return family_of(os.getpid(), living) | foreign


def _ended(hunt: Hunt) -> Sequence[Process]:
    return _in_order(hunt.ended.values())


def _in_order(processes: Iterable[Process]) -> Sequence[Process]:
    return sorted(processes, key=lambda one: one.number)
