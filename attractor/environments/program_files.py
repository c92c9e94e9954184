"""Finds a program on the PATH, and the paths that a sandbox must show so that it runs."""

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass

_FIRST_LINE = re.compile(rb"#! *(?P<program>\S+)(?: +(?:-S +)?(?P<argument>\S+))?")
_LONGEST_FIRST_LINE = 256
_SYSTEM = (Path("/usr"), Path("/bin"), Path("/sbin"), Path("/lib"))
_PACKAGES = "node_modules"


@dataclass(frozen=True)
class LocatedProgram:
    """The file of a program, and the paths that a sandbox must show, because it is not installed
    for the whole machine.
    """

    file: Path
    needs: tuple[Path, ...] = ()
    search_path: tuple[Path, ...] = ()

    def command(self, words: Sequence[str]) -> str:
        """Return the shell command that becomes the program, with these arguments."""
        return self.in_search_path(f"exec {shlex.join([str(self.file), *words])}")

    def in_search_path(self, command: str) -> str:
        """Return a shell command that finds the program and its interpreter on the PATH."""
        folders = ":".join(map(str, self.search_path))
        return f'export PATH={shlex.quote(folders)}:"$PATH"; {command}' if folders else command


def locate_program(name: str, environ: Mapping[str, str]) -> LocatedProgram | None:
    """Return where a program is, or None if it is not on the PATH."""
    found = shutil.which(name, path=environ.get("PATH", ""))
    if found is None:
        return None
    file, real = Path(found).absolute(), Path(found).resolve()
    packages = [path for path in real.parents if path.name == _PACKAGES]
    needs, folders = [file], [file.parent]
    if packages:
        # Scripts of packages load files relative to their real place.
        file, needs = real, [packages[-1]]
    if interpreter := _find_interpreter(real, environ):
        # An interpreter outside the system has its libraries beside it.
        libraries = interpreter.resolve().parent.parent / "lib"
        needs += [interpreter, *([libraries] if libraries.is_dir() else [])]
        folders.append(interpreter.parent)
    return LocatedProgram(
        file,
        tuple(dict.fromkeys(path for path in needs if not _is_of_system(path))),
        tuple(dict.fromkeys(path for path in folders if not _is_of_system(path))),
    )


def _find_interpreter(file: Path, environ: Mapping[str, str]) -> Path | None:
    with file.open("rb") as opened:
        match = _FIRST_LINE.match(opened.read(_LONGEST_FIRST_LINE))
    if match is None:
        return None
    name = match["program"].decode(errors="replace")
    if Path(name).name == "env" and match["argument"]:
        name = match["argument"].decode(errors="replace")
    found = shutil.which(name, path=environ.get("PATH", ""))
    return Path(found).absolute() if found else None


def _is_of_system(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _SYSTEM)
