"""Tries to escape from a sandbox, and prints as a JSON object which attempts succeeded.

An attempt counts as blocked only if it fails with an error that isolation causes. Any other
failure, such as a lack of file descriptors or time, proves nothing and counts as a leak.

Last, in a sandbox with other bounds, it uses more memory than allowed, until the sandbox kills it.

This is a separate program for any Python from 3.9. The input of the program is a file in the
workspace, because a search for a command line would find the program's own arguments.
"""

from __future__ import annotations

import ctypes
import errno
import marshal
import mmap
import os
import resource
import sys
import time
from _json import encode_basestring_ascii

# Each run in a sandbox waits for the imports: without pathlib, and the modules that need `enum` or
# `re` (json, signal, socket, contextlib), it waits 15 ms less.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from collections.abc import Callable, Collection
    from typing import Any
else:
    import _signal as signal
    import _socket as socket

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
_UNWRITABLE = _ABSENT | _FORBIDDEN | {errno.EROFS}
_UNREACHABLE = _FORBIDDEN | {
    errno.ECONNREFUSED,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
}


_CLONE_NEWUSER = 0x10000000
# For each attempt the number of the call and its arguments. They must fail for another reason than
# EPERM without a filter, also for root.
_ARGUMENTS: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "keyctl: read the session keyring": (250, 219, (11, -3, 0, 0)),
    "keyctl: read the user keyring": (250, 219, (11, -4, 0, 0)),
    "keyctl: join a keyring by name": (250, 219, (1, 1)),
    "add_key": (248, 217, (0, 0, 0, 0, -3)),
    "request_key": (249, 218, (0, 0, 0, 0)),
    "socket: AF_VSOCK": (41, 198, (40, 1, 0)),
    "socket: AF_NETLINK, audit": (41, 198, (16, 3, 9)),
    "socket: AF_NETLINK, kobject_uevent": (41, 198, (16, 3, 15)),
    "ptrace: attach to a missing process": (101, 117, (16, 1 << 30, 0, 0)),
    "ptrace: seize a missing process": (101, 117, (0x4206, 1 << 30, 0, 0)),
    "mount": (165, 40, (0, 0, 0, 0, 0)),
    "open_tree": (428, 428, (-1, 0, -1)),
    "move_mount": (429, 429, (-1, 0, -1, 0, -1)),
    "fsopen": (430, 430, (0, -1)),
    "fsmount": (432, 432, (-1, -1, -1)),
    "mount_setattr": (442, 442, (-1, 0, -1, 0, 0)),
    "setns": (308, 268, (-1, 0)),
    "clone: user namespace without a stack": (56, 220, (_CLONE_NEWUSER | 0x10000, 0)),
    "bpf": (321, 280, (-1, 0, 0)),
    "perf_event_open": (298, 241, (0, -1, -1, -1, 0)),
    "userfaultfd": (323, 282, (-1,)),
    "io_uring_setup": (425, 425, (0, 0)),
    "io_uring_enter": (426, 426, (-1, 0, 0, 0, 0)),
    "io_uring_register": (427, 427, (-1, -1, 0, 0)),
    "prlimit64 of a missing process": (302, 261, (1 << 30, 0, 0, 0)),
    "setpriority of a missing group": (141, 140, (1, 1 << 30, 0)),
    "ioprio_set of a missing group": (251, 30, (2, 1 << 30, 0)),
    # Last, because it would change the rights of this process.
    "unshare: user namespace": (272, 97, (_CLONE_NEWUSER,)),
}
_CALLS = {
    "x86_64": {name: (number, words) for name, (number, _, words) in _ARGUMENTS.items()},
    "aarch64": {name: (number, words) for name, (_, number, words) in _ARGUMENTS.items()},
}
# More than the bounds of the tested sandbox.
_MANY_FILES = 200
_LARGE_FILE = 8 << 20
_MUCH_MEMORY = 70 << 20
# Time to be killed.
_SURVIVAL_S = 4.0
# Set for the decoy process.
_CPU_S = 1 << 20


def main() -> None:
    """Try to escape; the caller checks outside for written files and harmed processes."""
    with open(sys.argv[1], "rb") as file:
        arguments = marshal.load(file)
    _touch(arguments["token"])
    bait = arguments["bait"]
    results = {
        # Before the bait is changed.
        "metadata": _succeeded(
            _UNWRITABLE,
            stat=lambda: os.stat(bait),
            chmod=lambda: os.chmod(bait, 0o600),
            utime=lambda: os.utime(bait, (0, 0)),
        ),
        # Written files are checked outside: some places may be inside the sandbox.
        "doubtful": [
            *(path for path in arguments["places"] if _doubtful(f"{path}/{arguments['token']}")),
            *_succeeded(
                _UNWRITABLE,
                truncate=lambda: os.truncate(bait, 0),
                rename=lambda: os.rename(bait, f"{bait}.moved"),
            ),
        ],
        "reads": [path for path in arguments["secrets"] if _shows(path)],
        "connects": _connects(arguments),
        "answers": _answers(),
        # Before the attempt to kill: a dead process has no command line.
        "sees": _sees(os.fsencode(arguments["marker"])),
        "calls": _calls(),
        "exceeds": [
            *_succeeded({errno.EMFILE}, open_files=_open_many),
            *_succeeded({errno.EFBIG}, file_size=_write_large),
        ],
    }
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    for harm in (
        lambda: resource.prlimit(arguments["pid"], resource.RLIMIT_CPU, (_CPU_S, hard)),
        lambda: os.kill(arguments["pid"], signal.SIGKILL),
    ):
        try:
            harm()
        except (OSError, ValueError):
            pass
    fields = (f'"{name}": {_as_json(found)}' for name, found in results.items())
    sys.stdout.write("{" + ", ".join(fields) + "}")
    sys.stdout.flush()
    # A sandbox without the other bounds, and no sandbox at all, would not be protected.
    if not results["exceeds"]:
        _use_memory()


def _as_json(found: list[str] | bool) -> str:
    if isinstance(found, bool):
        return str(found).lower()
    return "[" + ", ".join(map(encode_basestring_ascii, found)) + "]"


def _use_memory() -> None:
    """Use memory until the sandbox kills this process, or for a time."""
    used = mmap.mmap(-1, _MUCH_MEMORY, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        # Ten times as quick where the kernel has such pages.
        used.madvise(mmap.MADV_HUGEPAGE)
    except OSError:
        pass
    for place in range(0, _MUCH_MEMORY, mmap.PAGESIZE):
        used[place] = 1
    time.sleep(_SURVIVAL_S)


def _calls() -> list[str]:
    """Return the system calls that are not refused with EPERM."""
    numbers = _CALLS.get(os.uname().machine)
    if numbers is None:
        return ["all"]
    libc = ctypes.CDLL(None, use_errno=True)
    # Flags of user namespaces in a structure: refused as an unknown call, or by the kernel.
    allowed = ["clone3: user namespace"] if _makes_user_namespace(libc) else []
    allowed += ["ptrace: make the parent a tracer"] if _makes_tracer(libc) else []
    for name, (number, arguments) in numbers.items():
        ctypes.set_errno(0)
        found = libc.syscall(number, *(ctypes.c_long(argument) for argument in arguments))
        if found != -1 or ctypes.get_errno() != errno.EPERM:
            allowed.append(name)
    return allowed


def _makes_user_namespace(libc: ctypes.CDLL) -> bool:
    structure = (ctypes.c_uint64 * 11)(_CLONE_NEWUSER)
    structure[4] = signal.SIGCHLD
    found = libc.syscall(435, ctypes.byref(structure), ctypes.sizeof(structure))
    if found == 0:
        os._exit(0)
    return found > 0


def _makes_tracer(libc: ctypes.CDLL) -> bool:
    """Return whether a child can make its parent a tracer; a traced process stops at signals."""
    child = os.fork()
    if child == 0:
        os._exit(libc.ptrace(0, 0, 0, 0) != -1 or ctypes.get_errno() != errno.EPERM)
    return os.waitpid(child, 0)[1] != 0


def _open_many() -> None:
    opened: list[int] = []
    try:
        for _ in range(_MANY_FILES):
            opened.append(os.open("/dev/null", os.O_RDONLY))
    finally:
        for file in opened:
            os.close(file)


def _write_large() -> None:
    file = os.open("large", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.ftruncate(file, _LARGE_FILE)
    finally:
        os.close(file)


def _touch(file: str) -> None:
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT))


def _doubtful(file: str) -> bool:
    """Try to create a file; return whether creation failed for a reason other than isolation."""
    try:
        _touch(file)
    except OSError as error:
        return error.errno not in _UNWRITABLE
    return False


def _succeeded(how: Collection[int], **attempts: Callable[[], object]) -> list[str]:
    """Return the names of the attempts that did not fail with one of the errors in `how`."""
    succeeded: list[str] = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except OSError as error:
            if error.errno in how:
                continue
        succeeded.append(name)
    return succeeded


def _shows(path: str) -> bool:
    """Return whether a name in a folder or a byte of a file may be visible."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return error.errno not in _ABSENT | _FORBIDDEN
    try:
        return bool(os.read(opened, 1))
    except IsADirectoryError:
        return bool(os.listdir(opened))
    except OSError:
        return True
    finally:
        os.close(opened)


def _connect(address: tuple[str, int] | str, family: int, kind: int = socket.SOCK_STREAM) -> None:
    made = socket.socket(family, kind)
    try:
        made.settimeout(2)
        made.connect(address)
    finally:
        made.close()


def _send(address: tuple[str, int]) -> None:
    """Send a datagram; an own loopback refuses it, a foreign one is silent."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.settimeout(2)
        made.connect(address)
        made.send(b"x")
        made.recv(1)
    finally:
        made.close()


def _is_refused(family: int) -> bool:
    try:
        socket.socket(family, socket.SOCK_DGRAM).close()
    except OSError as error:
        return error.errno == errno.EPERM
    return False


def _connects(arguments: dict[str, Any]) -> list[str]:
    """Return the sockets outside that can be reached, and the families that are not refused."""
    path, abstract = arguments["path"], "\0" + arguments["abstract"]
    return [
        *_succeeded(
            _UNREACHABLE | _ABSENT,
            port=lambda: _connect(("127.0.0.1", arguments["port"]), socket.AF_INET),
            udp=lambda: _send(("127.0.0.1", arguments["udp"])),
            abstract=lambda: _connect(abstract, socket.AF_UNIX),
            path=lambda: _connect(path, socket.AF_UNIX),
            # If the socket is found, the error says that it is one of streams.
            datagram=lambda: _connect(path, socket.AF_UNIX, socket.SOCK_DGRAM),
        ),
        # EPERM proves something only here, where the sandbox must refuse the call itself.
        *(f"family {number}" for number in arguments["families"] if not _is_refused(number)),
    ]


def _answers() -> bool:
    """Return whether a port of the loopback can be bound, and accepts and answers a connection."""
    try:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client.settimeout(2)
        client.connect(listener.getsockname())
        number, _ = listener._accept()  # pyright: ignore
        os.write(number, b"x")  # pyright: ignore
        return client.recv(1) == b"x"
    except OSError:
        return False


def _sees(marker: bytes) -> bool:
    """Return whether a command line or variables may be visible.

    A search that does not find its own process proves nothing.
    """
    found: set[int] = set()
    for number in filter(str.isdigit, os.listdir("/proc")):
        for name in ("cmdline", "environ"):
            try:
                with open(f"/proc/{number}/{name}", "rb") as file:
                    if marker in file.read():
                        return True
            except PermissionError:
                pass
            except (FileNotFoundError, ProcessLookupError):  # the process ended
                continue
            except OSError:
                return True
            found.add(int(number))
    return os.getpid() not in found


if __name__ == "__main__":
    main()
