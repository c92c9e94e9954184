"""The processes of this machine as /proc tells of them; nobody where there is no /proc."""

import os
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress

from attractor.base.dataclasses import dataclass

_PIECE = 64 * 1024


@dataclass(frozen=True)
class Process:
    """One that lives; its number together with its start is nobody else's."""

    number: int
    parent: int
    session: int
    started: str
    name: str


def process_numbers() -> list[int]:
    """Return the numbers of all there are, the newest first."""
    # Who forks for ever is gone before a long list is read to its end.
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - every moment counts
    except FileNotFoundError:  # macOS
        return []
    return sorted((int(name) for name in names if name.isdigit()), reverse=True)


def find_process(number: int) -> Process | None:
    """Return the process of a number, unless it is gone or dead."""
    try:
        stat = _read(f"/proc/{number}/stat")
    except OSError:
        return None
    # The name, in brackets, may hold spaces and brackets itself.
    head, _, tail = stat.rpartition(b")")
    state, parent, _, session, *fields = tail.split()
    if state in (b"Z", b"X"):
        return None
    name = head.partition(b"(")[2].decode("utf-8", "replace")
    return Process(number, int(parent), int(session), fields[15].decode(), name)


def variable_of_all(
    name: str, settled: set[int] | None = None
) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield each process with the values that a variable has in it, mostly one or none.

    Who looks again at once hands in a set: those that surely have none are put there, and are
    passed over the next time. Most of what runs on a machine is the kernel's own.
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
    # Who is just becoming another program shows none for a moment.
    for number in bare:
        variables = _variables(number)
        if not variables and not _has_program(number):
            settled.add(number)
        yield number, _values(variables, name.encode())


def variable_of(number: int, name: str) -> Sequence[str]:
    """Return the values that a variable has in a process, mostly one or none."""
    return _values(_variables(number), name.encode())


def signal_process(process: Process, number: int) -> bool:
    """Send a signal; tell whether it was there still, and is one that we may send a signal to."""
    # Its number may be somebody else's by now.
    now = find_process(process.number)
    if now is None or now.started != process.started:
        return False
    try:
        os.kill(process.number, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def is_owned(number: int, owner: int) -> bool:
    """Tell whether a process is a user's."""
    with suppress(OSError):
        return os.stat(f"/proc/{number}").st_uid == owner  # noqa: PTH116 - every moment counts
    return False


def family_of(number: int, living: Mapping[int, Process]) -> Set[int]:
    """Return a process, those it descends from, and those that descend from it."""
    return line_of(number, living) | {one for one in living if number in line_of(one, living)}


def line_of(number: int, living: Mapping[int, Process]) -> set[int]:
    """Return a process and those it descends from."""
    line: set[int] = set()
    while number and number not in line:
        line.add(number)
        number = living[number].parent if number in living else 0
    return line


def _variables(number: int) -> bytes:
    try:
        return _read(f"/proc/{number}/environ")
    except OSError:  # it is gone, or somebody else's, or closed itself to all
        return b""


def _has_program(number: int) -> bool:
    """Tell whether a process runs a program that we may see; none of the kernel's does."""
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
    # Not by a file object: this is done for every process there is.
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(iter(lambda: os.read(file, _PIECE), b""))
    finally:
        os.close(file)
