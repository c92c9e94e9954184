"""Prints `file:line:text` for every line that matches, or the files, or `file:count`.

This is a separate program for any Python from 3.9: the search for a regular expression may never
end, but a process can be killed. The only argument of the program is a JSON object. The module also
matches glob patterns, for this program and for the environments.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import lru_cache

LONGEST_LINE = 500
LINE_CUT = " [... omitted end of long line]"
_DEEPEST = 200
_LARGEST_FILE = 32 * 1024 * 1024
_MOST_ALTERNATIVES = 1000
_ANY_FOLDERS = "**"


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
        text = _read(file, follow=file == arguments["path"])
        for line in show_matches(file, text, pattern.search, arguments["output"]):
            if left == 0:
                return 0
            sys.stdout.buffer.write(os.fsencode(line) + b"\n")
            left -= 1
    return 0


def show_matches(
    name: str, text: str, search: Callable[[str], object], output: str
) -> Iterator[str]:
    """Yield the output for one file: its matching lines, its name, or their number."""
    lines = text.removesuffix("\n").split("\n") if text else []
    found = ((number, line) for number, line in enumerate(lines, 1) if search(line))
    if output == "content":
        for number, line in found:
            is_long = len(line.encode("utf-8", "replace")) > LONGEST_LINE
            shown = line[:LONGEST_LINE] + LINE_CUT if is_long else line
            yield f"{name}:{number}:{shown}"
    elif output == "count":
        if total := sum(1 for _ in found):
            yield f"{name}:{total}"
    elif next(found, None):
        yield name


def _files(path: str, glob: str) -> Iterator[str]:
    """Yield the files below a folder in the order of their paths; a file by itself."""
    if not os.path.isdir(path):  # noqa: PTH112 (names that are not text stay unchanged)
        yield path
        return
    for file in _below("" if path == "." else path, _DEEPEST):
        if not glob or selects(glob, file):
            yield file


def _below(folder: str, depth: int) -> Iterator[str]:
    try:
        with os.scandir(folder or ".") as found:
            entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    except OSError:
        return
    for entry in entries:
        if entry.name == ".git":
            continue
        file = os.path.join(folder, entry.name)  # noqa: PTH118
        if entry.is_dir(follow_symlinks=False) and depth:
            yield from _below(file, depth - 1)
        elif entry.is_file(follow_symlinks=False):
            yield file


def _read(file: str, *, follow: bool) -> str:
    """Return the text of a file; empty for a file that is binary, not regular or too large."""
    try:
        opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW))
        with os.fdopen(opened, "rb") as reader:
            if os.fstat(opened).st_size > _LARGEST_FILE:
                return ""
            data = reader.read(_LARGEST_FILE)
    except OSError:
        return ""
    return "" if b"\0" in data else data.decode("utf-8", "replace")


def selects(glob: str, file: str) -> bool:
    """Return whether a search includes a file.

    A pattern without `/` matches names, with `/` it matches paths, and with `!` it excludes files.
    """
    if glob.startswith("!"):
        return not selects(glob[1:], file)
    return matches(glob, file if "/" in glob else file.rpartition("/")[2])


def matches(pattern: str, path: str) -> bool:
    """Return whether a path matches; names that begin with a dot are not special."""
    return any(_matches(tuple(plain.split("/")), path) for plain in _alternatives(pattern))


def _matches(pattern: tuple[str, ...], path: str) -> bool:
    segments = [part for part in pattern if part not in ("", ".")]
    reached = _past_any(segments, {0})
    for name in path.split("/"):
        reached = _past_any(segments, _after(name, segments, reached))
    return len(segments) in reached


@lru_cache
def _alternatives(pattern: str) -> list[str]:
    """Return the patterns of `{a,b}`, which can be nested."""
    start = pattern.find("{")
    if start < 0:
        return [pattern]
    depth, cuts = 0, [start]
    for at, character in enumerate(pattern[start:], start):
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 1:
            cuts.append(at)
        if depth == 0:
            ends = [*cuts[1:], at]
            pieces = [pattern[low + 1 : high] for low, high in zip(cuts, ends)]  # noqa: B905 (3.9)
            head, tail = pattern[:start], pattern[at + 1 :]
            found = [plain for piece in pieces for plain in _alternatives(head + piece + tail)]
            if len(found) > _MOST_ALTERNATIVES:
                raise ValueError(f"more than {_MOST_ALTERNATIVES} alternatives in {{}}")
            return found
    return [pattern]


def _after(name: str, segments: list[str], reached: set[int]) -> Iterable[int]:
    for at in reached:
        if at < len(segments) and segments[at] == _ANY_FOLDERS:
            yield at
        elif at < len(segments) and fnmatchcase(name, segments[at]):
            yield at + 1


def _past_any(segments: list[str], reached: Iterable[int]) -> set[int]:
    """Add the positions after each `**`, because `**` may match nothing."""
    places: set[int] = set()
    for at in reached:
        places.add(at)
        while at < len(segments) and segments[at] == _ANY_FOLDERS:
            at += 1
            places.add(at)
    return places


if __name__ == "__main__":
    sys.exit(main())
