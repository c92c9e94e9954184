"""What stands in a sandbox and what does not, as options for bubblewrap.

The system is there read-only, the workspace writable, `/tmp` and the home are fresh; nothing else
is. So the operator's folders are absent without being named. One that lies in the system, or in a
folder that may be read or is shown in the workspace, is covered.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.environments.shown import Shown

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
    walls: Walls, folder: Path, data: Mapping[str, int], shown: Iterable[Shown] = ()
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


def _shown(one: Shown) -> _Bind:
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
