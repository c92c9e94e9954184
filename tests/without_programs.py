"""Runs a command where optional programs of the tests cannot be found.

`python -m tests.without_programs [PROGRAM...] -- COMMAND` takes away the named programs (default:
all of `tests/needs.py`) in a mount namespace: the folder of each gets an overlay that lacks it. The
exit status is 2 if one is still found.
"""

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.needs import PROGRAMS, paths

_INSIDE = "--inside"


def take_away(programs: Sequence[str]) -> None:
    """Hide programs from this process, which has a mount namespace of its own, and its children."""
    names: dict[Path, set[str]] = defaultdict(set)
    for path in (Path(one) for program in programs for one in paths(program)):
        names[path.parent.resolve()].add(path.name)
    with tempfile.TemporaryDirectory() as temporary:
        subprocess.run(["mount", "-t", "tmpfs", "none", temporary], check=True)
        for number, folder in enumerate(names):
            removed = Path(temporary, str(number))
            removed.mkdir()
            for name in names[folder]:
                os.mknod(removed / name, 0o020000)  # a whiteout of overlayfs
            layers = f"lowerdir={removed}:{folder}"
            subprocess.run(["mount", "-t", "overlay", "none", "-o", layers, folder], check=True)
        subprocess.run(["umount", "--lazy", temporary], check=True)


def main(words: list[str]) -> None:
    """Take programs away, and become the command."""
    if words[0] != _INSIDE:
        own = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
        os.execvp(own[0], [*own, sys.executable, "-m", "tests.without_programs", _INSIDE, *words])
    end = words.index("--")
    programs = words[1:end] or list(PROGRAMS)
    take_away(programs)
    if found := [path for program in programs for path in paths(program)]:
        sys.stderr.write(f"error: still found: {' '.join(found)}\n")
        sys.exit(2)
    os.execvp(words[end + 1], words[end + 1 :])


if __name__ == "__main__":
    main(sys.argv[1:])
