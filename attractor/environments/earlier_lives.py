"""Ends what an earlier life of a run left running: its process was killed, its commands were not.

A command is taken for left when its mark names the run, and the process that began it is gone. One
look goes through the variables of all processes; more is done only where somebody is found. Spared
are we, those we descend from and those who descend from us, and all that belongs to another user.
"""

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from time import sleep

from attractor.environments.left_over import POLL_S, Hunt, end_all
from attractor.environments.marks import MARK, read_mark
from attractor.environments.process_table import (
    Process,
    family_of,
    is_owned,
    variable_of_all,
)


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
