"""How many actors of a machine work at once, and which one follows when a slot is free."""

import io
import os
import re
import sys
import time
from contextlib import suppress
from pathlib import Path

from attractor.base.errors import AttractorError, ProcessNotStarted
from attractor.base.files import make_private_folder
from attractor.base.locks import has_free_slot, take_slot
from attractor.factory.open_project import OpenProject, open_project
from attractor.worlds.actors import ActorFolder, list_actors
from attractor.worlds.holds import hold_of
from attractor.worlds.inbox import Inbox
from attractor.worlds.status import read_actors
from attractor.worlds.waking import wake

POLL_S = 0.05
LOCK_PATIENCE_S = 0.5
"""A process that only looks whether a lock is held holds it for a moment."""

_SLOTS = "working"
_MEMORY_OF_AN_ACTOR = 2 << 30
_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)


def most_working(opened: OpenProject) -> int:
    """Return how many actors of this machine may work at once."""
    if most := opened.project.worlds.max_working_actors:
        return most
    return max(1, available_memory() // _MEMORY_OF_AN_ACTOR)


def may_work(opened: OpenProject) -> bool:
    """Return whether one more actor may work on this machine; a killed one frees its slot soon."""
    until = time.monotonic() + LOCK_PATIENCE_S
    while not has_free_slot(opened.project.machine.state_dir / _SLOTS, most_working(opened)):
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True


def wait_for_slot(opened: OpenProject) -> io.FileIO | None:
    """Take a free slot; another process that only looks at one delays this for a moment."""
    slots, until = opened.project.machine.state_dir / _SLOTS, time.monotonic() + LOCK_PATIENCE_S
    make_private_folder(slots)
    while (slot := take_slot(slots, most_working(opened))) is None:
        if time.monotonic() > until:
            return None
        time.sleep(POLL_S)
    return slot


def available_memory(file: Path = Path("/proc/meminfo")) -> int:
    """Return the bytes of memory that processes can still get, also from the cache of files."""
    try:
        found = _AVAILABLE.search(file.read_text())
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def tell(sentence: str) -> None:
    """Write a sentence into the log of a process."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def start_waiting(
    opened: OpenProject, *, besides: ActorFolder | None = None, is_hold_over: bool = False
) -> None:
    """Start the actor whose message has waited longest for a slot, if there is one.

    With `is_hold_over`, start all: they did not wait for a slot.
    """
    folders = [
        folder
        for folder in list_actors(opened.project.machine.state_dir)
        if (besides is None or folder.root != besides.root) and Inbox(folder.inbox).has_messages()
    ]
    waiting = [
        view
        for view in read_actors(folders)
        if (view.can_begin or view.can_go_on) and not (view.has_process or view.pool)
    ]
    for view in sorted(waiting, key=lambda view: view.waits_since):
        if view.can_go_on or not _is_held(view.folder, opened):
            let_begin(view.folder, opened)
            if not is_hold_over:
                return


def let_begin(folder: ActorFolder, opened: OpenProject) -> None:
    """Start the process of another actor; the work of this one does not end if that fails."""
    try:
        wake(folder, opened)
    except ProcessNotStarted as fault:
        tell(f"{fault.in_one_line}; try: attractor up")


def _is_held(folder: ActorFolder, opened: OpenProject) -> bool:
    """Return whether a person is asked before an actor of any project begins."""
    machine = opened.project.machine
    environ = {**machine.environ, "ATTRACTOR_STATE_DIR": str(machine.state_dir)}
    with suppress(AttractorError):
        return hold_of(folder, open_project(folder.project.root, environ)) is not None
    return False
