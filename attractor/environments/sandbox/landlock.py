"""Landlock: the paths that a sandbox may use, where user namespaces are forbidden.

The kernel refuses to open all other paths, and signals to processes outside. seccomp refuses the
calls that Landlock does not restrict, such as sockets with a path. Commands have a network
namespace of their own; where the kernel allows none, seccomp refuses all sockets. Metadata is not
restricted: a file outside whose path is known can be seen, and its owner can change its permissions
and times. Therefore `hides_metadata` is never promised.

The supervisor (`_supervisor.py`) makes the system calls.
"""

import os
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.environments.errors import SandboxUnavailable
from attractor.environments.sandbox.bubblewrap import ACCOUNTS, SandboxSettings, system_paths
from attractor.environments.sandbox.seccomp import (
    CALLS_WITHOUT_NETWORK,
    GUARDED_THREAD,
    LANDLOCK_CALLS,
    SUPERVISOR,
    seccomp_filter,
)

MIN_ABI = 6
"""The first version that confines signals (Linux 6.12).

With an older one, commands could kill the supervisor, which bounds and ends them.
"""

# System call and flag of linux/landlock.h; the number is equal on all processors.
_CREATE_RULESET, _ASK_VERSION = 444, 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_MAKE_CHAR, _MAKE_BLOCK, _TRUNCATE, _IOCTL_DEVICE = 1 << 6, 1 << 11, 1 << 14, 1 << 15
ALL = (1 << 16) - 1
"""All accesses to files that the version `MIN_ABI` knows."""

_READ = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE = ALL & ~(_MAKE_CHAR | _MAKE_BLOCK | _IOCTL_DEVICE)
_DEVICES = ("null", "zero", "full", "random", "urandom")
# Nothing about processes: a rule for /proc/PID cannot be made before the process exists.
_PROC = ("cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "sys", "uptime", "version")


_NONE = "or start a new run with --sandbox none"


@dataclass(frozen=True)
class PathRule:
    """Accesses to a file, or to a folder and everything below it."""

    path: str
    access: int


def landlock_abi() -> int:
    """Return the version of Landlock in the kernel; 0 without Landlock."""
    # Slow to import, and most runs use bubblewrap.
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, libc.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION))


def require_landlock(abi: int) -> None:
    """Reject a kernel without Landlock or with an old version."""
    if platform.system() != "Linux" or not abi:
        raise SandboxUnavailable(
            "no Landlock in this kernel or container",
            hint=f"use bubblewrap, or enable Landlock (boot option lsm=landlock,...); {_NONE}",
        )
    if abi < MIN_ABI:
        raise SandboxUnavailable(
            f"Landlock of this kernel is too old: version {abi} instead of {MIN_ABI}",
            hint=f"use bubblewrap, or Linux 6.12 or newer; {_NONE}",
        )


def path_rules(settings: SandboxSettings, folder: Path, private: Path) -> Iterator[PathRule]:
    """Yield the rules for a workspace and the private folder of its sandbox."""
    yield PathRule(str(folder), _READ if settings.read_only else _WRITE)
    yield PathRule(str(private), _WRITE)
    if settings.repository and settings.is_project(folder):
        yield PathRule(str(settings.repository), _WRITE)
    if settings.cache:
        yield PathRule(str(settings.cache), _WRITE)
    for path in (*system_paths(), *settings.read, *settings.python.needs):
        yield PathRule(str(path), _READ)
    for name in ACCOUNTS:
        yield PathRule(name, _READ)
    for name in _DEVICES:
        yield PathRule(f"/dev/{name}", _READ_FILE | _WRITE_FILE | _TRUNCATE)
    yield PathRule("/proc", _READ_DIR)
    for name in _PROC:
        yield PathRule(f"/proc/{name}", _READ_FILE | _READ_DIR)


def confinement(settings: SandboxSettings, folder: Path, private: Path) -> JsonObject:
    """Return the restrictions of a sandbox, for the supervisor."""
    program = seccomp_filter(calls=LANDLOCK_CALLS)
    without_sockets = seccomp_filter(calls=CALLS_WITHOUT_NETWORK)
    if program is None or without_sockets is None:
        raise SandboxUnavailable("Landlock needs seccomp filters, on x86_64 or aarch64")
    rules = path_rules(settings, folder, private)
    return {
        "handled": ALL,
        "rules": [[rule.path, rule.access] for rule in rules],
        "filter": program.hex(),
        "filter_without_sockets": without_sockets.hex(),
        "thread": GUARDED_THREAD,
        "supervisor": SUPERVISOR,
        "private": str(private),
    }


def make_private_folder() -> Path:
    """Create the private folder of a sandbox, on a disk: /tmp may be in memory."""
    place = Path("/var/tmp")
    parent = place if os.access(place, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="attractor-", dir=parent)).resolve()


def repository_variables(settings: SandboxSettings, folder: Path) -> dict[str, str]:
    """Return the variables that lead Git from a linked worktree to the repository for it."""
    if not settings.repository or not settings.is_project(folder):
        return {}
    return {"GIT_DIR": str(settings.repository / ".git"), "GIT_WORK_TREE": str(folder)}


def private_variables(private: Path) -> dict[str, str]:
    """Create the private folders of a sandbox, and return the variables that name them."""
    folders = {"HOME": private / "home", "TMPDIR": private / "tmp"}
    for path in folders.values():
        path.mkdir(0o700)
    # Git warns about an unreadable file.
    return {name: str(path) for name, path in folders.items()} | {"GIT_CONFIG_NOSYSTEM": "1"}
