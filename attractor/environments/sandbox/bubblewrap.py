"""What stands in a sandbox and what does not, as options for bubblewrap.

The system is there read-only, the workspace writable, `/tmp` and the home are fresh; nothing else
is. So the operator's folders are absent without being named. One that lies in the system, or in a
folder that may be read or is shown in the workspace, is covered.

What a sandbox shows of another folder in the workspace: files and folders, bound read-only.

A bind needs something to lie over, so an empty folder or file of ours stands at its place in the
workspace. An agent had its hands in there: no link is followed on the way to it.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import file_error
from attractor.environments.confined_paths import Identity, identity_of
from attractor.environments.errors import SandboxNotStarted

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Something that is no folder stands where a folder above the place should be, or the other way.
_IN_THE_WAY = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR)


@dataclass(frozen=True)
class BindMount:
    """A file or folder below another folder; it shows at the same path below the workspace."""

    root: Path
    path: str

    @property
    def source(self) -> Path:
        """Where it lies."""
        return self.root.resolve() / self.path


def make_stand_ins(folder: Path, shown: Sequence[BindMount]) -> Mapping[BindMount, Identity]:
    """Make in a workspace what each bind lies over; return what that is.

    A link or file in the place of a folder is removed. One whose place cannot be had is left out:
    an agent made something else of a folder above it, and that is its work.
    """
    try:
        top = os.open(folder, _FOLDER)
        try:
            found = {one: _stand_in(top, one) for one in shown}
        finally:
            os.close(top)
    except OSError as cause:
        raise file_error("make places in", folder, cause) from cause
    return {one: identity for one, identity in found.items() if identity is not None}


def _stand_in(top: int, shown: BindMount) -> Identity | None:
    is_folder = _is_folder(shown)
    *above, name = shown.path.split("/")
    at = os.dup(top)
    try:
        for one in above:
            with suppress(FileExistsError):
                os.mkdir(one, dir_fd=at)
            below = os.open(one, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        return _made(name, at, is_folder=is_folder)
    except OSError as cause:
        if cause.errno not in _IN_THE_WAY:
            raise
        return None
    finally:
        os.close(at)


def _is_folder(shown: BindMount) -> bool:
    try:
        mode = os.lstat(shown.source).st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = 0
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise SandboxNotStarted(
            f"{shown.path} of the project is to show read-only, and is not there any more",
            hint="put it back, or take it out of carry_read_only; then resume the run",
        )
    return stat.S_ISDIR(mode)


def _made(name: str, at: int, *, is_folder: bool) -> Identity:
    """Make what a bind lies over, if it is not there; of a file no other name may lead to it."""
    with suppress(FileNotFoundError):
        found = os.stat(name, dir_fd=at, follow_symlinks=False)
        if is_folder and stat.S_ISDIR(found.st_mode):
            return identity_of(found)
        if not is_folder and stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            return identity_of(found)
        os.unlink(name, dir_fd=at)
    if is_folder:
        os.mkdir(name, dir_fd=at)
    else:
        os.close(os.open(name, _NEW, 0o644, dir_fd=at))
    return identity_of(os.stat(name, dir_fd=at, follow_symlinks=False))


WORKSPACE = "/workspace"
HOME = "/tmp/home"
HOST_NAME = "sandbox"

_ID = "1000"
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
# Only what programs need: the rest of /etc tells of the operator, or holds keys and passwords.
_ETC = (
    *("alternatives", "ca-certificates", "crypto-policies", "debian_version", "fonts", "java"),
    *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "lsb-release", "magic"),
    *("mime.types", "os-release", "perl", "pki/ca-trust", "pki/tls/certs", "protocols"),
    *("python3", "services", "ssl/certs", "ssl/openssl.cnf", "timezone"),
)
_NAMESPACES = (
    *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
    *("--unshare-cgroup-try", "--uid", _ID, "--gid", _ID, "--hostname", HOST_NAME),
    # Started by root, bubblewrap would keep root's capabilities.
    *("--cap-drop", "ALL", "--new-session", "--as-pid-1", "--die-with-parent"),
)
# An operator who is root is root in here too as far as files go, if without capabilities: what root
# may write or read in /proc concerns the whole machine.
_PROC_READ_ONLY = ("bus", "fs", "irq", "mtrr", "sys", "sysrq-trigger")
_PROC_HIDDEN = (
    *("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi"),
    *("timer_list", "timer_stats"),
)
# Written anew, so that no account of this machine shows.
ACCOUNTS: Mapping[str, str] = {
    "/etc/passwd": f"agent:x:{_ID}:{_ID}::{HOME}:/bin/bash\n",
    "/etc/group": f"agent:x:{_ID}:\n",
    "/etc/hosts": f"127.0.0.1 localhost {HOST_NAME}\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


@dataclass(frozen=True)
class Interpreter:
    """A Python to run our own programs inside, and the folder it needs besides the system."""

    program: str
    needs: Sequence[Path] = ()


@dataclass(frozen=True)
class Walls:
    """What every sandbox of a run has in common."""

    bubblewrap: str
    python: Interpreter
    variables: Mapping[str, str]
    read: Sequence[Path] = ()
    hide: Sequence[Path] = ()


@dataclass(frozen=True)
class _Bind:
    source: Path
    target: Path
    option: str
    covers: bool = False

    @property
    def words(self) -> list[str]:
        """Return the option with its operands."""
        source = [] if self.option == "--tmpfs" else [str(self.source)]
        return [self.option, *source, str(self.target)]


def options(
    walls: Walls, folder: Path, data: Mapping[str, int], shown: Iterable[BindMount] = ()
) -> list[str]:
    """Return bubblewrap's options for a workspace and what is shown in it, over what stands in.

    Data are descriptors by their place inside.
    """
    workspace = _Bind(folder.resolve(), Path(WORKSPACE), "--bind")
    binds = [*_binds(walls), workspace, *map(_shown, shown)]
    covers = list(_covers(binds, [path.resolve() for path in walls.hide], folder))
    return [
        *_NAMESPACES,
        *("--tmpfs", "/tmp", "--dir", HOME, "--dir", "/run", "--dir", "/var"),
        *("--symlink", "/tmp", "/var/tmp", "--symlink", "/run", "/var/run"),
        *("--proc", "/proc", "--dev", "/dev"),
        *(word for bind in _proc() for word in bind.words),
        *_links(),
        *_in_order([*binds, *covers]),
        *(word for place, file in data.items() for word in ("--ro-bind-data", str(file), place)),
        *(word for cover in covers for word in _closed(cover)),
        *("--remount-ro", "/", "--chdir", WORKSPACE),
    ]


def _binds(walls: Walls) -> Iterator[_Bind]:
    roots = [Path("/usr"), *(Path("/", name) for name in _MERGED), *(Path("/etc", e) for e in _ETC)]
    for path in [*roots, *walls.read, *walls.python.needs]:
        if path.exists() and not (path.is_symlink() and path.parent == Path("/")):
            yield _Bind(path.resolve(), path.absolute(), "--ro-bind")


def _shown(one: BindMount) -> _Bind:
    return _Bind(one.source.resolve(), Path(WORKSPACE, one.path), "--ro-bind")


def _proc() -> Iterator[_Bind]:
    for path in [Path("/proc", name) for name in _PROC_READ_ONLY]:
        if path.exists():
            yield _Bind(path, path, "--ro-bind")
    for path in [Path("/proc", name) for name in _PROC_HIDDEN]:
        if path.exists():
            yield _cover(path, path)


def _links() -> Iterator[str]:
    """Repeat the links of a merged /usr."""
    for name in _MERGED:
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))


def _covers(binds: Iterable[_Bind], hidden: Sequence[Path], folder: Path) -> Iterator[_Bind]:
    """Find what must be hidden and lies in what is bound."""
    for bind in binds:
        for path in hidden:
            if not path.is_relative_to(bind.source) or not path.exists():
                continue
            if bind.target != Path(WORKSPACE):
                _require_coverable(path, bind)
                yield _cover(path, bind.target / path.relative_to(bind.source))
            elif path != bind.source:
                raise UsageError(
                    f"{path} cannot be hidden: it lies in the workspace {folder}",
                    hint="work on a copy that does not hold it",
                )


def _require_coverable(path: Path, bind: _Bind) -> None:
    """Refuse what others at work in the folder could uncover: they can swap a folder above it."""
    if bind.target.is_relative_to(WORKSPACE) and bind.target.parent != Path(WORKSPACE):
        raise UsageError(
            f"{path} cannot be hidden: it lies in {bind.source}, which shows in the workspace",
            hint="take that folder out of carry_read_only",
        )


def _cover(path: Path, target: Path) -> _Bind:
    if path.is_dir():
        return _Bind(path, target, "--tmpfs", covers=True)
    return _Bind(Path("/dev/null"), target, "--ro-bind", covers=True)


def _in_order(binds: Iterable[_Bind]) -> Iterator[str]:
    """Put what is further up first, or it would hide what is below; of two, the cover wins."""
    for bind in sorted(binds, key=lambda bind: (len(bind.target.parts), bind.covers)):
        yield from bind.words


def _closed(cover: _Bind) -> Iterator[str]:
    if cover.option == "--tmpfs":
        yield from ("--remount-ro", str(cover.target))
