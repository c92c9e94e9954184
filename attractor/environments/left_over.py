"""Ends what commands on the operator's own machine left running, as far as that can be known.

Every command gets a variable with a mark of its environment, which those it starts inherit. Who
carries the mark, descends from one who does, or is in its session, is ended. Who clears its
variables and is on its own by then is not known, nor who was started by another program (at,
docker, systemd), nor who forks on and on without a pause, nor anybody where there is no /proc.
"""

import asyncio
import os
import signal
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from attractor.base.errors import MachineryError

# Not with the prefix of our settings: what is unknown among those is refused.
MARK = "STARTED_BY_ATTRACTOR"

_GRACE_S = 2.0
# Time for the kernel to carry a SIGKILL out.
_KILL_S = 5.0
_POLL_S = 0.02
# One look in a few misses somebody who forks as fast as he can.
_LOOKS = 6


@dataclass(frozen=True)
class _Process:
    number: int
    parent: int
    session: int
    marked: bool


def can_be_known() -> bool:
    """Tell whether this machine shows who carries a mark."""
    return os.access("/proc/self/environ", os.R_OK)


async def end_marked(mark: str, *, grace: float = _GRACE_S) -> None:
    """Ask all who carry a mark to end, kill who does not, and see them gone."""
    hunt = _Hunt(mark)
    try:
        if hunt.signal(signal.SIGTERM):
            await hunt.gone_within(grace, 0)
    finally:
        # Once in any case: who is cancelled has no time left, and must leave nobody behind.
        left = hunt.signal(signal.SIGKILL)
    if left and (left := await hunt.gone_within(_KILL_S, signal.SIGKILL)):
        raise MachineryError(f"process {left[0]} goes on after SIGKILL", hint="look at it with ps")


class _Hunt:
    """The search for those of one mark, and the sessions they were seen in."""

    def __init__(self, mark: str) -> None:
        self._mark = f"{MARK}={mark}".encode()
        self._sessions: set[int] = set()

    def signal(self, number: int) -> Sequence[int]:
        """Signal all who can be found, and return them."""
        # Looked for again and again: who forks while we go through /proc can be overlooked.
        looks = (self._found() for _ in range(_LOOKS))
        found = next((one for one in looks if one), ())
        return [one.number for one in found if _signalled(one.number, number)]

    async def gone_within(self, seconds: float, number: int) -> Sequence[int]:
        """Signal them until none is left or the time is up; return who is."""
        until = monotonic() + seconds
        while (left := self.signal(number)) and monotonic() < until:
            await asyncio.sleep(_POLL_S)
        return left

    def _found(self) -> Collection[_Process]:
        living = [process for process in _processes(self._mark) if process.number != os.getpid()]
        found = {one.number: one for one in living if one.marked}
        sessions = self._sessions
        while True:
            # Every command begins with a session of its own, so ours is never among them.
            sessions = sessions | {one.session for one in found.values()} - {os.getsid(0), 0}
            more = {one.number: one for one in living if _belongs(one, found, sessions)}
            if len(more) == len(found):
                break
            found = more
        if found:
            # Only those of the last look: a number from before may be somebody else's by now.
            self._sessions = {one.session for one in found.values()} - {os.getsid(0), 0}
        return found.values()


def _belongs(one: _Process, found: Collection[int], sessions: Collection[int]) -> bool:
    return one.marked or one.parent in found or one.session in sessions


def _processes(mark: bytes) -> Iterator[_Process]:
    # The newest first: who forks for ever is gone before a long list is read to its end.
    names = os.listdir("/proc")  # noqa: PTH208 - every moment counts
    numbers = sorted((int(name) for name in names if name.isdigit()), reverse=True)
    for number in numbers:
        # Who is gone meanwhile is left out.
        with suppress(OSError):
            state, parent, _, session = _stat(number)[:4]
            if state not in (b"Z", b"X"):
                yield _Process(number, int(parent), int(session), mark in _variables(number))


def _stat(number: int) -> list[bytes]:
    # The name, in brackets, may hold spaces and brackets itself.
    return _read(f"/proc/{number}/stat").rpartition(b")")[2].split()


def _variables(number: int) -> list[bytes]:
    try:
        return _read(f"/proc/{number}/environ").split(b"\0")
    except PermissionError:  # it is somebody else's, or closed itself to all
        return []


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - every moment counts
        return file.read()


def _signalled(process: int, number: int) -> bool:
    """Send a signal; tell whether somebody was there whom we may send one to."""
    try:
        os.kill(process, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
