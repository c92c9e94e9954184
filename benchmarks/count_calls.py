"""Runs a Python program, and prints its function calls and the modules it imported.

`python count_calls.py FILE PROGRAM ARGUMENTS` writes both numbers to a file. The program's output
and exit status stay as they are.
"""

import cProfile
import runpy
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, cast


class _Counted(Protocol):
    callcount: int


def main(file: str, *words: str) -> None:
    """Run the program in this process."""
    sys.argv = [*words]
    profile, before = cProfile.Profile(), len(sys.modules)
    profile.enable()
    try:
        runpy.run_path(words[0], run_name="__main__")
    finally:
        profile.disable()
        entries = cast("Iterable[_Counted]", profile.getstats())
        calls = sum(entry.callcount for entry in entries)
        Path(file).write_text(f"{calls} {len(sys.modules) - before}")


if __name__ == "__main__":
    main(*sys.argv[1:])
