"""The processes of this machine from /proc; empty where there is no /proc."""

import os
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress

from attractor.base.dataclasses import dataclass

_PIECE = 64 * 1024


@dataclass(frozen=True)
class Process:
    """A living process; its id and its start time identify it."""

    number: int
    parent: int
    session: int
    started: str
    name: str


def process_numbers() -> list[int]:
    """Return the ids of all processes, the newest first."""
    # A fork bomb replaces its processes before a long list is read.
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - every moment counts
    except FileNotFoundError:  # macOS
        return []
    return sorted((int(name) for name in names if name.isdigit()), reverse=True)


def find_process(number: int) -> Process | None:
    """Return the process with an id, None if it is gone or dead."""
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
    """Yield each process with the values of a variable in it, usually one or none.

    For repeated calls: processes certain to have none are added to `settled` and skipped the next
    time. Most processes belong to the kernel.
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
    """Return the values of a variable in a process, usually one or none."""
    return _values(_variables(number), name.encode())


def signal_process(process: Process, number: int) -> bool:
    """Send a signal, and return whether the process was alive and ours."""
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
        one for one in living if number in ancestors_of(one, living)
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
    """Return whether a process runs a visible program; kernel threads do not."""
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
        one.removeprefix(begin).decode("utf-8", "replace")
        for one in variables.split(b"\0")
        if one.startswith(begin)
    ]


def _read(path: str) -> bytes:
    # Without a file object, for speed: this runs for every process.
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(iter(lambda: os.read(file, _PIECE), b""))
    finally:
        os.close(file)
