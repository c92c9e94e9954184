"""Runs a command whose processes cannot make namespaces, as in some containers.

`python -m tests.without_namespaces COMMAND` has `unshare` refused with EPERM. bubblewrap makes its
namespaces with another call: `tests.without_programs` hides it.
"""

import ctypes
import os
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from attractor.environments.sandbox.seccomp import Call, seccomp_filter

_SET_SECCOMP, _NO_NEW_PRIVILEGES, _FILTER = 22, 38, 2


def without_ports(
    *words: str, folder: Path, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command of Attractor where a Landlock sandbox has no ports."""
    return subprocess.run(
        [sys.executable, "-m", __name__, sys.executable, "-m", "attractor", *words],
        cwd=folder,
        env={**variables, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def main(words: list[str]) -> None:
    """Refuse namespaces, and become the command."""
    program = seccomp_filter(calls=[Call("unshare", 272, 97)])
    assert program
    instructions = ctypes.create_string_buffer(program, len(program))
    place = struct.pack("HP", len(program) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    assert libc.prctl(_SET_SECCOMP, _FILTER, place, 0, 0) == 0
    os.execvp(words[0], words)


if __name__ == "__main__":
    main(sys.argv[1:])
