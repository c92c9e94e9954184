"""Prints `file:line:text` for every line that matches.

This is a separate program for any Python from 3.9: the search for a regular expression may never
end, but a process can be killed. The only argument of the program is a JSON object.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import sys
from collections.abc import Iterator

LONGEST_LINE = 500
_DEEPEST = 200
_LARGEST_FILE = 32 * 1024 * 1024


def main() -> int:
    """Search, and return the exit status of grep."""
    arguments = json.loads(sys.argv[1])
    try:
        pattern = re.compile(arguments["pattern"], re.IGNORECASE if arguments["ignore_case"] else 0)
    except re.error as error:
        sys.stderr.write(f"regex parse error: {error}\n")
        return 2
    left = int(arguments["max_results"])
    for file in _files(arguments["path"], arguments["glob"]):
        for line in _matching(file, pattern):
            if left == 0:
                return 0
            sys.stdout.buffer.write(os.fsencode(line) + b"\n")
            left -= 1
    return 0


def _files(path: str, glob: str) -> Iterator[str]:
    if os.path.isfile(path):  # noqa: PTH113 (names that are not text stay unchanged)
        yield path
    for folder, folders, names in os.walk(path):
        # Python before 3.12 recurses for each level.
        is_deep = folder.count(os.sep) - path.count(os.sep) >= _DEEPEST
        folders[:] = [] if is_deep else sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            file = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118
            if not glob or fnmatch.fnmatch(file if "/" in glob else name, glob):
                yield file


def _matching(file: str, pattern: re.Pattern[str]) -> Iterator[str]:
    data = _read(file)
    if b"\0" in data:
        return
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        if pattern.search(line):
            yield f"{file}:{number}:{line[:LONGEST_LINE]}"


def _read(file: str) -> bytes:
    """Return the content of a file; empty for a file that is not regular or too large."""
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(opened, "rb") as reader:
            if os.fstat(opened).st_size > _LARGEST_FILE:
                return b""
            return reader.read(_LARGEST_FILE)
    except OSError:
        return b""


if __name__ == "__main__":
    sys.exit(main())
