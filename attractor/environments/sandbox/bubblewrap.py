"""Options for bubblewrap: visible, hidden and mounted paths of a sandbox.

The system is read-only, the workspace is writable (or read-only, as set), the cache folder of a run
is writable, `/tmp` and the home folder are empty, and no other path is visible. Therefore the
operator's folders are not visible. A hidden folder inside the system, or inside a readable or
mounted folder, is covered by an empty folder.

A mount needs a mount point: an empty folder or file in the workspace. Agents can change the
workspace, so symbolic links on the path to a mount point are not followed.
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import file_error
from attractor.environments.confined_paths import FileIdentity, file_identity
from attractor.environments.errors import SandboxNotStarted

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# A file is in place of a folder of the path, or a folder in place of a file.
_IN_THE_WAY = (errno.ELOOP, errno.ENOTDIR, errno.EISDIR)


@dataclass(frozen=True)
class BindMount:
    """A file or folder below `root`, mounted at the same path in the workspace."""

    root: Path
    path: str

    @property
    def source(self) -> Path:
        """The path of the mounted file or folder outside the sandbox."""
        return self.root.resolve() / self.path


def make_mount_points(
    folder: Path, mounts: Sequence[BindMount]
) -> Mapping[BindMount, FileIdentity]:
    """Create the mount points in a workspace, and return the mount points.

    A link or file in place of a folder is removed. A mount is skipped if an agent replaced a folder
    on the path to the mount point.
    """
    try:
        top = os.open(folder, _FOLDER)
        try:
            found = {mount: _mount_point(top, mount) for mount in mounts}
        finally:
            os.close(top)
    except OSError as cause:
        raise file_error("create mount points in", folder, cause) from cause
    return {mount: identity for mount, identity in found.items() if identity is not None}


def _mount_point(top: int, mounts: BindMount) -> FileIdentity | None:
    is_folder = _is_folder(mounts)
    *above, name = mounts.path.split("/")
    at = os.dup(top)
    try:
        for parent in above:
            with suppress(FileExistsError):
                os.mkdir(parent, dir_fd=at)
            below = os.open(parent, _FOLDER, dir_fd=at)
            os.close(at)
            at = below
        return _made(name, at, is_folder=is_folder)
    except OSError as cause:
        if cause.errno not in _IN_THE_WAY:
            raise
        return None
    finally:
        os.close(at)


def _is_folder(mounts: BindMount) -> bool:
    try:
        mode = os.lstat(mounts.source).st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = 0
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise SandboxNotStarted(
            f"{mounts.path} of the project is listed in carry_read_only, but missing",
            hint="restore this path, or remove it from carry_read_only; then resume the run",
        )
    return stat.S_ISDIR(mode)


def _made(name: str, at: int, *, is_folder: bool) -> FileIdentity:
    """Create a mount point if it is missing; a file must have no other hard link."""
    with suppress(FileNotFoundError):
        found = os.stat(name, dir_fd=at, follow_symlinks=False)
        if is_folder and stat.S_ISDIR(found.st_mode):
            return file_identity(found)
        if not is_folder and stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            return file_identity(found)
        os.unlink(name, dir_fd=at)
    if is_folder:
        os.mkdir(name, dir_fd=at)
    else:
        os.close(os.open(name, _NEW, 0o644, dir_fd=at))
    return file_identity(os.stat(name, dir_fd=at, follow_symlinks=False))


WORKSPACE = "/workspace"
CACHE = "/cache"
"""The path of the cache folder of a run."""
HOME = "/tmp/home"
GIT_DIR = "/repository"
"""The path of the repository for a project in a linked worktree."""
GIT_LINK = "link"
"""The file that leads Git from the `.git` of a linked worktree to `GIT_DIR`."""
HOST_NAME = "sandbox"

_ID = "1000"
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
# Only files that programs need: others describe the operator, or contain secrets.
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
# Root stays the owner of files inside, without capabilities: files in /proc that root may write or
# read concern the whole machine.
_PROC_READ_ONLY = ("bus", "fs", "irq", "mtrr", "sys", "sysrq-trigger")
_PROC_HIDDEN = (
    *("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi"),
    *("timer_list", "timer_stats"),
)
# Root may write these files of process 1: the kernel would kill it first for lack of memory.
_SUPERVISOR_READ_ONLY = (
    *("autogroup", "clear_refs", "coredump_filter"),
    *("oom_adj", "oom_score_adj", "sched"),
)
# Replaced, so that no account of this machine is visible.
ACCOUNTS: Mapping[str, str] = {
    "/etc/passwd": f"agent:x:{_ID}:{_ID}::{HOME}:/bin/bash\n",
    "/etc/group": f"agent:x:{_ID}:\n",
    "/etc/hosts": f"127.0.0.1 localhost {HOST_NAME}\n::1 localhost\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


@dataclass(frozen=True)
class Interpreter:
    """The Python interpreter for programs inside the sandbox, and the folders that it needs."""

    program: str
    needs: Sequence[Path] = ()


def _most_memory_mb() -> int:
    """Return three quarters of the memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4 >> 20


@dataclass(frozen=True)
class SandboxBounds:
    """The resources that the commands of a sandbox may use.

    Processes and memory are those of all commands together, open files those of one process.
    """

    max_processes: int = 4096
    max_memory_mb: int = field(default_factory=_most_memory_mb)
    max_open_files: int = 16384
    max_file_mb: int = 16384


@dataclass(frozen=True)
class SandboxSettings:
    """Settings of all sandboxes of a run; without a path of bubblewrap, they use Landlock.

    `read_only` is about the workspace; `opens_network` gives commands in bubblewrap the network of
    this machine; `run_id` marks the commands of a Landlock sandbox. In the folder `project`, the
    names `covers` are hidden, and the files `keeps` and Git's configuration are read-only, because
    Attractor and the operator's own Git would run commands that they name. If the project is a
    linked worktree, its commands use the `.git` in the folder `repository` instead of the
    operator's repository. The folder `cache` is writable too.
    """

    bubblewrap: str | None
    python: Interpreter
    variables: Mapping[str, str]
    read: Sequence[Path] = ()
    hide: Sequence[Path] = ()
    bounds: SandboxBounds = field(default_factory=SandboxBounds)
    forbids_namespaces: bool = False
    read_only: bool = False
    opens_network: bool = False
    run_id: str = ""
    project: Path | None = None
    covers: Sequence[str] = ()
    keeps: Sequence[str] = ()
    repository: Path | None = None
    cache: Path | None = None

    def is_project(self, folder: Path) -> bool:
        """Return whether a workspace is the project folder."""
        return self.project is not None and folder.resolve() == self.project.resolve()

    def guards(self, folder: Path) -> "Sequence[GuardedPath]":
        """Return the paths of a workspace that need a guard, because it is the project folder."""
        if not self.is_project(folder):
            return ()
        hidden = [GuardedPath(folder / name, is_hidden=True) for name in self.covers]
        git = folder / ".git"
        kept = [GuardedPath(git / name) for name in _GIT_COMMANDS] if git.is_dir() else []
        kept += [GuardedPath(folder / name) for name in self.keeps]
        return [guard for guard in [*hidden, *kept] if guard.path.exists()]


@dataclass(frozen=True)
class GuardedPath:
    """A path in the project folder that is hidden, or else read-only."""

    path: Path
    is_hidden: bool = False


# Git runs commands that these name.
_GIT_COMMANDS = ("config", "hooks")


@dataclass(frozen=True)
class _Bind:
    source: Path
    target: Path
    option: str
    covers: bool = False

    @property
    def words(self) -> list[str]:
        """Return the option followed by its operands."""
        source = [] if self.option == "--tmpfs" else [str(self.source)]
        return [self.option, *source, str(self.target)]


def options(
    settings: SandboxSettings,
    folder: Path,
    data: Mapping[str, int],
    mounts: Iterable[BindMount] = (),
    *,
    seccomp: int | None = None,
) -> list[str]:
    """Return the options for a workspace and the mounts in the workspace.

    `data` maps paths inside the sandbox to file descriptors. `seccomp` is the file descriptor of a
    filter for system calls.
    """
    mount = "--ro-bind" if settings.read_only else "--bind"
    workspace = _Bind(folder.resolve(), Path(WORKSPACE), mount)
    binds = [*_binds(settings), workspace, *map(_shown, mounts)]
    binds += _guarded(settings, folder.resolve())
    if settings.cache:
        binds.append(_Bind(settings.cache.resolve(), Path(CACHE), "--bind"))
    if settings.repository and settings.is_project(folder):
        binds += [
            _Bind(settings.repository / ".git", Path(GIT_DIR), "--bind"),
            _Bind(settings.repository / GIT_LINK, Path(WORKSPACE, ".git"), "--ro-bind"),
        ]
    covers = list(_covers(binds, [path.resolve() for path in settings.hide], folder))
    covers += [
        _cover(guard.path, Path(WORKSPACE, guard.path.name))
        for guard in settings.guards(folder.resolve())
        if guard.is_hidden
    ]
    # Outer paths before inner paths, and covers last.
    ordered = sorted([*binds, *covers], key=lambda bind: (len(bind.target.parts), bind.covers))
    closed = [cover for cover in covers if cover.option == "--tmpfs"]
    return [
        *(name for name in _NAMESPACES if name != "--unshare-net" or not settings.opens_network),
        *(("--disable-userns",) if settings.forbids_namespaces else ()),
        *(("--seccomp", str(seccomp)) if seccomp is not None else ()),
        *("--tmpfs", "/tmp", "--dir", HOME, "--dir", "/run", "--dir", "/var"),
        *("--symlink", "/tmp", "/var/tmp", "--symlink", "/run", "/var/run"),
        *("--proc", "/proc", "--dev", "/dev"),
        *(word for bind in _proc() for word in bind.words),
        *_links(),
        *(word for bind in ordered for word in bind.words),
        *(word for place, file in data.items() for word in ("--ro-bind-data", str(file), place)),
        *(word for cover in closed for word in ("--remount-ro", str(cover.target))),
        *("--remount-ro", "/", "--chdir", WORKSPACE),
    ]


def system_paths() -> Sequence[Path]:
    """Return the files and folders of the system that programs may read."""
    return [Path("/usr"), *(Path("/", name) for name in _MERGED), *(Path("/etc", e) for e in _ETC)]


def _binds(settings: SandboxSettings) -> Iterator[_Bind]:
    resolver = [Path("/etc/resolv.conf")] if settings.opens_network else []
    for path in [*system_paths(), *resolver, *settings.read, *settings.python.needs]:
        if path.exists() and not (path.is_symlink() and path.parent == Path("/")):
            yield _Bind(path.resolve(), path.absolute(), "--ro-bind")


def _shown(mount: BindMount) -> _Bind:
    return _Bind(mount.source.resolve(), Path(WORKSPACE, mount.path), "--ro-bind")


def _guarded(settings: SandboxSettings, folder: Path) -> Iterator[_Bind]:
    """Yield binds for read-only paths; their folder is bound too, so that it cannot be renamed."""
    kept = [guard.path for guard in settings.guards(folder) if not guard.is_hidden]
    mount = "--ro-bind" if settings.read_only else "--bind"
    # The workspace itself is bound already.
    for parent in dict.fromkeys(path.parent for path in kept if path.parent != folder):
        yield _Bind(parent, Path(WORKSPACE, parent.relative_to(folder)), mount)
    for path in kept:
        yield _Bind(path, Path(WORKSPACE, path.relative_to(folder)), "--ro-bind")


def _proc() -> Iterator[_Bind]:
    for path in [Path("/proc", name) for name in _PROC_READ_ONLY]:
        if path.exists():
            yield _Bind(path, path, "--ro-bind")
    for path in [Path("/proc", name) for name in _PROC_HIDDEN]:
        if path.exists():
            yield _cover(path, path)
    yield from _supervisor_files() if os.geteuid() == 0 else ()


def _supervisor_files() -> Iterator[_Bind]:
    # The list of mounts would show the number of a source in `/proc/self`. This file is the same in
    # all sandboxes, and nobody can write it.
    source = Path("/proc/version")
    for own, target in (("self", "1"), ("thread-self", "1/task/1")):
        for name in _SUPERVISOR_READ_ONLY:
            if Path("/proc", own, name).exists():
                yield _Bind(source, Path("/proc", target, name), "--ro-bind")


def _links() -> Iterator[str]:
    """Yield options that copy the links of a merged /usr into the sandbox."""
    for name in _MERGED:
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))


def _covers(binds: Iterable[_Bind], hidden: Sequence[Path], folder: Path) -> Iterator[_Bind]:
    """Yield covers for the hidden paths inside bound paths."""
    places = [(path, {path, *path.parents}) for path in hidden if path.exists()]
    for bind in binds:
        for path, above in places:
            if bind.source not in above:
                continue
            if bind.target != Path(WORKSPACE):
                # Other processes could uncover it by replacing a parent folder.
                if bind.target.is_relative_to(WORKSPACE) and bind.target.parent != Path(WORKSPACE):
                    raise UsageError(
                        f"{path} cannot be hidden: it is in {bind.source}, which is mounted in the "
                        "workspace",
                        hint="remove that folder from carry_read_only",
                    )
                yield _cover(path, bind.target / path.relative_to(bind.source))
            elif path != bind.source:
                raise UsageError(
                    f"{path} cannot be hidden: it is in the workspace {folder}",
                    hint="work on a copy without it",
                )


def _cover(path: Path, target: Path) -> _Bind:
    if path.is_dir():
        return _Bind(path, target, "--tmpfs", covers=True)
    return _Bind(Path("/dev/null"), target, "--ro-bind", covers=True)
