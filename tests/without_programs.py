"""Runs a command where optional programs of the tests cannot be found.

`python -m tests.without_programs [PROGRAM...] -- COMMAND` hides the named programs (default: all of
`tests/needs.py`) in a mount namespace: an overlay on the folder of each program lacks it. The exit
status is 2 if one is still found.
"""

import ctypes
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.needs import PROGRAMS, paths

_NEW_MOUNTS = 0x00020000
_WHITEOUT = 0o020000


def hide(programs: Sequence[str]) -> None:
    """Hide programs from this process and its children, in a mount namespace of their own."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNTS):
        raise OSError(ctypes.get_errno(), "cannot make a mount namespace")
    _mount("--make-rprivate", "/")
    names: dict[Path, set[str]] = defaultdict(set)
    for path in (Path(one) for program in programs for one in paths(program)):
        names[path.parent.resolve()].add(path.name)
    with tempfile.TemporaryDirectory() as temporary:
        _mount("-t", "tmpfs", "none", temporary)
        for number, folder in enumerate(names):
            lower = Path(temporary, str(number))
            lower.mkdir()
            for name in names[folder]:
                os.mknod(lower / name, _WHITEOUT)
            _mount("-t", "overlay", "none", "-o", f"lowerdir={lower}:{folder}", str(folder))
        subprocess.run(["umount", "--lazy", temporary], check=True)


def main(words: list[str]) -> None:
    """Hide programs, and become the command."""
    if os.geteuid():
        again = [sys.executable, "-m", "tests.without_programs", *words]
        os.execvp("unshare", ["unshare", "--map-root-user", *again])
    end = words.index("--")
    programs = words[:end] or list(PROGRAMS)
    hide(programs)
    if found := [path for program in programs for path in paths(program)]:
        sys.stderr.write(f"error: still found: {' '.join(found)}\n")
        sys.exit(2)
    os.execvp(words[end + 1], words[end + 1 :])


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
