"""Real Podman, with images made of programs of this machine.

As root it works on Debian 12 too, whose crun refuses a machine with both versions of cgroups: in a
mount namespace that shows only version 1. Limits are given, since a container may not raise those
of a machine that is a container itself.
"""

import os
import subprocess
import tarfile
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import pytest

from tests.environments.places import OPERATOR
from tests.needs import require

IMAGE, SMALL, EMPTY = "localhost/full:1", "localhost/small:1", "localhost/empty:1"
"""Images with Python and bash; with busybox only; without a shell."""

_UNIFIED = "/sys/fs/cgroup/unified"
_SETTINGS = """
[containers]
default_ulimits = ["nofile=1024:20000", "nproc=4096:4096"]
[engine]
events_logger = "file"
cgroup_manager = "cgroupfs"
"""
# The shell of busybox prefers its own grep, so `sh` is another one.
_GNU = (Path("/bin/bash"), Path("/bin/sh"), Path("/bin/grep"))
_UNNEEDED = ("__pycache__", "test", "idlelib", "ensurepip", "lib2to3", "pydoc_data", "config-3")


@contextmanager
def podman(folder: Path, *agents: str) -> Generator[Mapping[str, str]]:
    """Yield variables with a Podman of its own storage on the PATH, which has the three images.

    The full image also has these agents, and node, as far as they are installed here.
    """
    program, busybox = require("podman"), require("busybox")
    require("catatonit")
    (folder / "settings").write_text(_SETTINGS)
    # The path of a runroot has at most 50 characters.
    with _namespace() as prefix, tempfile.TemporaryDirectory(prefix="podman") as run:
        storage = f"--root {folder}/storage --runroot {run}"
        (folder / "podman").write_text(f'#!/bin/sh\nexec {prefix}{program} {storage} "$@"\n')
        (folder / "podman").chmod(0o755)
        environ = OPERATOR | {
            "PATH": f"{folder}:{OPERATOR['PATH']}",
            "CONTAINERS_CONF": str(folder / "settings"),
            "HOME": str(folder),
        }
        try:
            links = {name: Path(found).resolve() for name in agents if (found := which(name))}
            for image, files in ((SMALL, ()), (IMAGE, _programs(links)), (EMPTY, None)):
                _make_image(folder / "image.tar", busybox, files, links if image == IMAGE else {})
                _podman(environ, "import", str(folder / "image.tar"), image)
            tried = _podman(environ, "run", "--rm", "--network", "none", SMALL, "true", check=False)
            if tried.returncode:
                pytest.skip(f"podman does not work here: {tried.stderr.strip()}")
            yield environ
        finally:
            _podman(environ, "rm", "--all", "--force", check=False)
            _podman(environ, "rmi", "--all", "--force", check=False)


def containers(environ: Mapping[str, str]) -> list[str]:
    """Return the names of the containers of a Podman."""
    return _podman(environ, "ps", "--all", "--format", "{{.Names}}").stdout.split()


def _podman(
    environ: Mapping[str, str], *words: str, check: bool = True
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["podman", *words], env=environ, check=check, capture_output=True, text=True
    )


@contextmanager
def _namespace() -> Generator[str]:
    """Yield the beginning of a command in a mount namespace without the second cgroups."""
    if os.getuid() or not os.path.ismount(_UNIFIED):
        yield ""
        return
    hide = ["unshare", "--mount", "sh", "-c", f"umount {_UNIFIED}; echo; exec cat"]
    with subprocess.Popen(hide, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        yield f"nsenter --mount=/proc/{holder.pid}/ns/mnt --wd=/ -- "
        holder.terminate()


def _programs(agents: Mapping[str, Path]) -> Sequence[Path]:
    """Return bash, GNU grep, the Python of the system and agents, with all libraries."""
    python = Path("/usr/bin/python3").resolve()
    folder = Path("/usr/lib") / python.name
    modules = [
        file
        for file in folder.rglob("*")
        if file.is_file() and not any(part.startswith(_UNNEEDED) for part in file.parts)
    ]
    packages = [file for program in agents.values() for file in _package(program)]
    node = [Path(require("node"))] if agents else []
    others = [*_GNU, *node, *(file for file in packages if os.access(file, os.X_OK))]
    binaries = [python, *others, *(file for file in modules if file.suffix == ".so")]
    said = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
    libraries = {word for line in said.splitlines() for word in line.split() if word[0] == "/"}
    return [
        *(Path("/usr/bin/python3"), python, *_GNU, *node, *modules, *packages),
        *(Path(name) for name in libraries if not name.endswith(":")),
    ]


def _package(program: Path) -> Sequence[Path]:
    """Return the files of the npm package of a program, and of the one for this processor."""
    [top, *_] = [folder for folder in program.parents if (folder / "package.json").exists()]
    files = [file for one in top.parent.glob(f"{top.name}*") for file in one.rglob("*")]
    return [file for file in files if file.is_file() and "voice" not in file.parts]


def _make_image(
    target: Path, busybox: str, files: Sequence[Path] | None, links: Mapping[str, Path]
) -> None:
    with tarfile.open(target, "w", dereference=True) as archive:
        for name in ("tmp", "workspace"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
            archive.addfile(folder)
        if files is None:
            return
        archive.add(busybox, "bin/busybox")
        said = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
        names = set(said.stdout.split()) - {"busybox", *(file.name for file in files)}
        targets = dict.fromkeys((f"bin/{name}" for name in names), Path("/bin/busybox"))
        targets |= {"usr/bin/env": Path("/bin/busybox")}
        for name, at in (targets | {f"bin/{name}": one for name, one in links.items()}).items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, str(at)
            archive.addfile(link)
        for file in files:
            archive.add(file, str(file).lstrip("/"))
