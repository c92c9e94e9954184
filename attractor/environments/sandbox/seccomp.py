"""The seccomp filter of a sandbox: system calls that are refused with EPERM.

Commands of a project do not need these calls, and faults of the kernel are often reached by them.
A filter is a program in the kernel's BPF: instructions of eight bytes that read the number and the
arguments of a call. A packaged library (libseccomp) would be another system package.
"""

import errno
import platform
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from attractor.base.dataclasses import dataclass

_ACTIONS = Path("/proc/sys/kernel/seccomp/actions_avail")

_CLONE_NEWUSER = 0x10000000
_AF_INET, _AF_INET6, _AF_NETLINK, _AF_VSOCK, _NETLINK_ROUTE = 2, 10, 16, 40, 0
_JOIN_SESSION_KEYRING = 1
_SETOWN, _SETOWN_EX, _FIOSETOWN, _SIOCSPGRP = 8, 15, 0x8901, 0x8902
# The bit of SOCK_DGRAM and SOCK_RAW, and not of SOCK_STREAM and SOCK_SEQPACKET.
_IS_DATAGRAM = 2
# Those of a network namespace; of the last, only sockets for routes.
_FAMILIES = (_AF_INET, _AF_INET6, _AF_NETLINK)
REFUSED_FAMILIES = [number for number in range(1, 46) if number not in _FAMILIES]
"""The families of sockets that a Landlock sandbox refuses."""

# Instructions: load a word, compare, test bits, return.
_LOAD, _EQUAL, _BITS, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
# Offsets in the data of a call; an argument has two words.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_X32 = 0x40000000


class Test(NamedTuple):
    """A comparison of a word of an argument with a value; `is_not` inverts the comparison."""

    argument: int
    value: int
    bits: bool = False
    is_not: bool = False
    high: bool = False


@dataclass(frozen=True)
class Call:
    """A system call by its numbers on x86_64 and aarch64, refused if all tests hold."""

    name: str
    x86_64: int
    aarch64: int
    tests: Sequence[Test] = ()
    action: int = _REFUSE | errno.EPERM


_PRIO_PROCESS, _IOPRIO_WHO_PROCESS = 0, 1


def _scheduling(supervisor: int) -> Iterator[Call]:
    """Yield the calls by which a command could slow down the thread `supervisor`.

    They are allowed for all other threads: programs pin their own, and lower their priority.
    """
    for name, x86_64, aarch64 in (
        ("sched_setaffinity", 203, 122),
        ("sched_setscheduler", 144, 119),
        ("sched_setparam", 142, 118),
        ("sched_setattr", 314, 274),
    ):
        yield Call(f"{name} of the supervisor", x86_64, aarch64, (Test(0, supervisor),))
    for name, x86_64, aarch64, process in (
        ("setpriority", 141, 140, _PRIO_PROCESS),
        ("ioprio_set", 251, 30, _IOPRIO_WHO_PROCESS),
    ):
        aims = (Test(0, process), Test(1, supervisor))
        yield Call(f"{name} of the supervisor", x86_64, aarch64, aims)


CALLS = (
    # The supervisor joins a new, empty keyring.
    Call(
        *("join an empty keyring", 250, 219),
        tests=(Test(0, _JOIN_SESSION_KEYRING), Test(1, 0), Test(1, 0, high=True)),
        action=_ALLOW,
    ),
    Call("keyctl", 250, 219),
    Call("add_key", 248, 217),
    Call("request_key", 249, 218),
    Call("socket AF_VSOCK", 41, 198, (Test(0, _AF_VSOCK),)),
    Call(
        "socket AF_NETLINK",
        *(41, 198),
        (Test(0, _AF_NETLINK), Test(2, _NETLINK_ROUTE, is_not=True)),
    ),
    # Also PTRACE_TRACEME, which would make the supervisor a tracer.
    Call("ptrace", 101, 117),
    Call("mount", 165, 40),
    Call("open_tree", 428, 428),
    Call("move_mount", 429, 429),
    Call("fsopen", 430, 430),
    Call("fsmount", 432, 432),
    Call("mount_setattr", 442, 442),
    Call("unshare", 272, 97, (Test(0, _CLONE_NEWUSER, bits=True),)),
    Call("setns", 308, 268),
    Call("clone", 56, 220, (Test(0, _CLONE_NEWUSER, bits=True),)),
    # Its flags cannot be read by a filter; the C library falls back to clone.
    Call("clone3", 435, 435, action=_REFUSE | errno.ENOSYS),
    Call("bpf", 321, 280),
    Call("perf_event_open", 298, 241),
    Call("userfaultfd", 323, 282),
    Call("io_uring_setup", 425, 425),
    Call("io_uring_enter", 426, 426),
    Call("io_uring_register", 427, 427),
    # Limits of any process of the same user: one for CPU time could kill the supervisor.
    Call("prlimit64 of another process", 302, 261, (Test(0, 0, is_not=True),)),
    # The supervisor is one of any group or user.
    Call("setpriority of many", 141, 140, (Test(0, _PRIO_PROCESS, is_not=True),)),
    Call("ioprio_set of many", 251, 30, (Test(0, _IOPRIO_WHO_PROCESS, is_not=True),)),
    # In bubblewrap, it is process 1.
    *_scheduling(1),
)

GUARDED_THREAD, SUPERVISOR = 0x7FFFFFFE, 0x7FFFFFFD
"""Stand for the ids of the supervisor's thread in the Landlock domain, and of its other thread.

They are known later.
"""

LANDLOCK_CALLS = (
    *CALLS,
    # Landlock does not restrict sockets with a path, such as those of Docker and D-Bus.
    Call(
        "socket of another family",
        *(41, 198),
        tuple(Test(0, family, is_not=True) for family in _FAMILIES),
    ),
    # Unlike the others, a socket of this kind could still be connected to another.
    Call("socketpair of datagrams", 53, 199, (Test(1, _IS_DATAGRAM, bits=True),)),
    # They report the names of files in folders that cannot be listed.
    Call("inotify_add_watch", 254, 27),
    Call("fanotify_init", 300, 262),
    # Shared with all processes of the machine, without a path.
    Call("shmget", 29, 194),
    Call("shmat", 30, 196),
    Call("shmctl", 31, 195),
    Call("semget", 64, 190),
    Call("semop", 65, 193),
    Call("semtimedop", 220, 192),
    Call("semctl", 66, 191),
    Call("msgget", 68, 186),
    Call("msgsnd", 69, 189),
    Call("msgrcv", 70, 188),
    Call("msgctl", 71, 187),
    Call("mq_open", 240, 180),
    Call("mq_unlink", 241, 181),
    # The supervisor is outside of the domain, except for one thread.
    Call("kill the supervisor", 62, 129, (Test(0, GUARDED_THREAD),)),
    Call("tkill the supervisor", 200, 130, (Test(0, GUARDED_THREAD),)),
    Call("tgkill the supervisor", 234, 131, (Test(1, GUARDED_THREAD),)),
    Call("rt_sigqueueinfo to the supervisor", 129, 138, (Test(0, GUARDED_THREAD),)),
    Call("rt_tgsigqueueinfo to the supervisor", 297, 240, (Test(1, GUARDED_THREAD),)),
    Call("pidfd_open of the supervisor", 434, 434, (Test(0, GUARDED_THREAD),)),
    Call("fcntl: send signals of a file to a thread", 72, 25, (Test(1, _SETOWN_EX),)),
    # The other calls take the id of a thread as well.
    Call(
        "fcntl: send signals of a file to the supervisor",
        *(72, 25),
        (Test(1, _SETOWN), Test(2, GUARDED_THREAD)),
    ),
    Call("ioctl: send signals of a socket, FIOSETOWN", 16, 29, (Test(1, _FIOSETOWN),)),
    Call("ioctl: send signals of a socket, SIOCSPGRP", 16, 29, (Test(1, _SIOCSPGRP),)),
    *_scheduling(GUARDED_THREAD),
    # Unlike signals, Landlock does not confine these.
    *_scheduling(SUPERVISOR),
)

CALLS_WITHOUT_NETWORK = (*LANDLOCK_CALLS, Call("socket", 41, 198))
"""Those of a Landlock sandbox without a network namespace: it would use the operator's network."""


def seccomp_filter(machine: str = "", *, calls: Sequence[Call] = CALLS) -> bytes | None:
    """Return the filter for a machine (default: this one); None without support by the kernel."""
    machine = machine or platform.machine()
    audit = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}.get(machine)
    with suppress(OSError):
        if audit and "errno" in _ACTIONS.read_text("ascii").split():
            return b"".join(
                struct.pack("HBBI", *fields) for fields in _program(machine, audit, calls)
            )
    return None


_Instruction = tuple[int, int, int, int]


def _program(machine: str, audit: int, calls: Sequence[Call]) -> Iterator[_Instruction]:
    """Yield the instructions; a jump is a number of instructions to skip if true or if false."""
    refuse = (_RETURN, 0, 0, _REFUSE | errno.EPERM)
    yield from ((_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, audit), refuse)
    yield (_LOAD, 0, 0, _NUMBER)
    if machine == "x86_64":
        yield from ((_BITS, 0, 1, _X32), refuse)
    for call in calls:
        number = call.x86_64 if machine == "x86_64" else call.aarch64
        rest = 2 * len(call.tests) + 2
        yield (_EQUAL, 0, rest, number)
        for test in call.tests:
            rest -= 2
            word = _ARGUMENTS + 8 * test.argument + 4 * test.high
            yield (_LOAD, 0, 0, word)
            # If the test fails, skip the rest, but not the load of the number.
            if_true, if_false = (rest - 1, 0) if test.is_not else (0, rest - 1)
            yield (_BITS if test.bits else _EQUAL, if_true, if_false, test.value)
        yield (_RETURN, 0, 0, call.action)
        yield (_LOAD, 0, 0, _NUMBER)
    yield (_RETURN, 0, 0, _ALLOW)
