"""Check the filter by executing its instructions as the kernel does."""

import errno
import struct
from collections.abc import Sequence

import pytest

from attractor.environments.sandbox.seccomp import (
    CALLS,
    CALLS_WITHOUT_NETWORK,
    GUARDED_THREAD,
    LANDLOCK_CALLS,
    REFUSED_FAMILIES,
    SUPERVISOR,
    Call,
    seccomp_filter,
)

ALLOW = 0x7FFF0000
EPERM = 0x00050000 | errno.EPERM
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def result(program: bytes, audit: int, number: int, *arguments: int) -> int:
    """Execute a filter for a system call, and return its result."""
    words = [one & (1 << 64) - 1 for one in (*arguments, *[0] * (6 - len(arguments)))]
    data = struct.pack("<IIQ6Q", number, audit, 0, *words)
    instructions = list(struct.iter_unpack("<HBBI", program))
    at = value = 0
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            (value,) = struct.unpack_from("<I", data, operand)
        else:
            holds = value == operand if code == 0x15 else bool(value & operand)
            at += if_true if holds else if_false


def refused(call: Call) -> list[int]:
    """Return arguments for which a call is refused."""
    arguments = [0] * 6
    for test in call.tests:
        arguments[test.argument] |= test.value + test.is_not << 32 * test.high
    return arguments


@pytest.mark.parametrize("calls", [CALLS, LANDLOCK_CALLS], ids=["bubblewrap", "landlock"])
@pytest.mark.parametrize("machine", list(AUDIT))
def test_each_call_of_the_table_is_refused_and_others_are_allowed(
    machine: str, calls: Sequence[Call]
) -> None:
    program, audit = seccomp_filter(machine, calls=calls), AUDIT[machine]
    assert program is not None
    numbers = {getattr(call, machine) for call in calls}
    for call in calls:
        found = result(program, audit, getattr(call, machine), *refused(call))
        assert found == call.action, call.name
    assert all(result(program, audit, one) == ALLOW for one in range(460) if one not in numbers)


def test_some_system_calls_are_refused_by_their_arguments() -> None:
    program, audit = seccomp_filter("x86_64"), AUDIT["x86_64"]
    assert program is not None
    keyctl, socket, ptrace, unshare, clone = 250, 41, 101, 272, 56
    prlimit, affinity, priority, ioprio = 302, 203, 141, 251
    new_user, thread = 0x10000000, 0x3D0F00
    for expected, number, arguments in (
        (ALLOW, keyctl, (1, 0)),
        (EPERM, keyctl, (1, 0x1000)),
        (EPERM, keyctl, (1, 1 << 32)),
        (EPERM, keyctl, (0, -3)),
        (ALLOW, socket, (2, 1, 0)),
        (ALLOW, socket, (1, 1, 0)),
        (ALLOW, socket, (16, 3, 0)),
        (EPERM, socket, (16, 3, 15)),
        (EPERM, socket, (40, 1, 0)),
        (EPERM, ptrace, (0, 0)),
        (EPERM, ptrace, (16, 1)),
        (EPERM, ptrace, (0x4206, 1)),
        (ALLOW, unshare, (0x200,)),
        (EPERM, unshare, (new_user | 0x200,)),
        (ALLOW, clone, (thread,)),
        (EPERM, clone, (new_user | 17,)),
        (ALLOW, prlimit, (0, 7)),
        (EPERM, prlimit, (1, 7)),
        (ALLOW, affinity, (0,)),
        (ALLOW, affinity, (2,)),
        (EPERM, affinity, (1,)),
        (ALLOW, priority, (0, 2)),
        (EPERM, priority, (0, 1)),
        (EPERM, priority, (1, 2)),
        (EPERM, priority, (2, 0)),
        (ALLOW, ioprio, (1, 2)),
        (EPERM, ioprio, (1, 1)),
        (EPERM, ioprio, (2, 2)),
        (EPERM, ioprio, (3, 0)),
    ):
        assert result(program, audit, number, *arguments) == expected, (number, arguments)


def test_landlock_filter_refuses_sockets_signals_and_scheduling_by_their_arguments() -> None:
    program, audit = seccomp_filter("x86_64", calls=LANDLOCK_CALLS), AUDIT["x86_64"]
    assert program is not None
    socket, socketpair, affinity, kill, tgkill, fcntl, ioctl = 41, 53, 203, 62, 234, 72, 16
    for expected, number, arguments in (
        *((EPERM, socket, (family, 2, 0)) for family in REFUSED_FAMILIES),
        (EPERM, socket, (1, 1, 0)),
        (ALLOW, socket, (2, 1, 0)),
        (ALLOW, socket, (10, 2, 0)),
        (ALLOW, socket, (16, 3, 0)),
        (EPERM, socket, (16, 3, 9)),
        (ALLOW, socketpair, (1, 0x80801, 0)),
        (ALLOW, socketpair, (1, 5, 0)),
        (EPERM, socketpair, (1, 0x80802, 0)),
        (ALLOW, affinity, (2,)),
        (EPERM, affinity, (GUARDED_THREAD,)),
        (EPERM, affinity, (SUPERVISOR,)),
        (ALLOW, kill, (1, 9)),
        (EPERM, kill, (GUARDED_THREAD, 9)),
        (ALLOW, tgkill, (GUARDED_THREAD, 1, 9)),
        (EPERM, tgkill, (1, GUARDED_THREAD, 9)),
        (ALLOW, fcntl, (0, 8, 1)),
        (EPERM, fcntl, (0, 8, GUARDED_THREAD)),
        (EPERM, ioctl, (0, 0x8901, 1)),
        (EPERM, ioctl, (0, 0x8902, 1)),
        (ALLOW, ioctl, (0, 0x8903, 1)),
        (EPERM, fcntl, (0, 15, 1)),
    ):
        assert result(program, audit, number, *arguments) == expected, (number, arguments)
    closed = seccomp_filter("x86_64", calls=CALLS_WITHOUT_NETWORK)
    assert closed is not None
    assert {result(closed, audit, socket, family, 1, 0) for family in range(46)} == {EPERM}
    # The placeholders, which the supervisor replaces, occur nowhere else.
    for placeholder in (GUARDED_THREAD, SUPERVISOR):
        uses = sum(one.value == placeholder for call in LANDLOCK_CALLS for one in call.tests)
        assert program.count(struct.pack("I", placeholder)) == uses


def test_calls_of_other_architectures_are_refused() -> None:
    program = seccomp_filter("x86_64")
    assert program is not None
    assert result(program, 0x40000003, 1) == EPERM  # 32-bit
    assert result(program, AUDIT["x86_64"], 0x40000000) == EPERM  # x32
    assert seccomp_filter("riscv64") is None
