"""Patches of a suite: the changes of their text files, and a patch without one of its changes.

A change is a run of added and removed lines without context lines between them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.engine.stage.patch import unquote_path
from attractor.engine.truncation import shorten

_LINE = late_pattern(rb"[^\n]*\n|[^\n]+\Z")
_HUNK = late_pattern(rb"@@ -(\d+(?:,\d+)?) \+(\d+(?:,\d+)?) @@(.*)", re.DOTALL)
_NAMES = (b"--- ", b"+++ ")
_SHOWN = 80


@dataclass(frozen=True)
class _Hunk:
    """A hunk: where it begins in the old and in the new file, and its lines.

    The marker of a missing newline belongs to the line before.
    """

    old: int
    new: int
    context: bytes
    lines: tuple[bytes, ...]

    @property
    def header(self) -> bytes:
        old, new = (sum(line[:1] != sign for line in self.lines) for sign in (b"+", b"-"))
        places = _place(self.old, old), _place(self.new, new)
        return b"@@ -%s +%s @@%s" % (*places, self.context)

    @property
    def changes(self) -> list[range]:
        """The places of the changes among the lines."""
        groups = groupby(range(len(self.lines)), lambda at: self.lines[at][:1] in b"+-")
        return [
            range(found[0], found[-1] + 1) for is_one, at in groups if is_one and (found := [*at])
        ]

    def without(self, change: range) -> "_Hunk":
        """Return the hunk after which the lines of a change are as before."""
        removed = [line for line in self.lines[change.start : change.stop] if line[:1] == b"-"]
        as_before = [b" " + line[1:] for line in removed]
        lines = [*self.lines[: change.start], *as_before, *self.lines[change.stop :]]
        return replace(self, lines=tuple(lines))


def _place(first: int, count: int) -> bytes:
    """Return a part of a header as Git writes it: a count of 1 is left out."""
    return b"%d" % first if count == 1 else b"%d,%d" % (first, count)


@dataclass(frozen=True)
class _FilePatch:
    """The headers and hunks of one file in a patch."""

    headers: tuple[bytes, ...]
    hunks: tuple[_Hunk, ...] = ()

    @property
    def name(self) -> str:
        names = [line[4:].split(b"\t")[0].strip() for line in self.headers if line[:4] in _NAMES]
        named = next((name for name in reversed(names) if name != b"/dev/null"), b"")
        path = unquote_path(named).decode("utf-8", "replace")
        # `git apply` ignores the first folder too: it is "w" with diff.mnemonicPrefix.
        return path.partition("/")[2] or path

    def to_bytes(self) -> bytes:
        return b"".join(
            [*self.headers, *(b"".join([one.header, *one.lines]) for one in self.hunks)]
        )

    def without(self, hunk: int, change: range) -> "_FilePatch":
        """Return the patch of the file without a change, and without what is left of no change."""
        before, after = self.hunks[hunk], self.hunks[hunk].without(change)
        grown = len(_new_lines(before)) - len(_new_lines(after))
        rest = [replace(one, new=one.new - grown) for one in self.hunks[hunk + 1 :]]
        hunks = [*self.hunks[:hunk], *([after] if after.changes else []), *rest]
        if hunks:
            return replace(self, hunks=tuple(hunks))
        # Only the move or the new mode of the file is left, if the patch has one.
        headers = [line for line in self.headers if line[:4] not in _NAMES]
        is_more = any(line.startswith((b"old mode ", b"rename ", b"copy ")) for line in headers)
        return _FilePatch(tuple(headers) if is_more else ())


def _new_lines(hunk: _Hunk) -> list[bytes]:
    return [line for line in hunk.lines if line[:1] != b"-"]


@dataclass(frozen=True)
class PatchChange:
    """A change of a text file in a patch, and the patch without it."""

    file: str
    hunk: str
    first_line: str
    left_out: bytes

    def __str__(self) -> str:
        return f'{self.file} {self.hunk} "{self.first_line}"'


def changes_of(patch: bytes) -> Sequence[PatchChange]:
    """Return the changes of text files in a patch."""
    files = _read(patch)
    return [
        PatchChange(
            file.name,
            _words(hunk.header),
            _words(hunk.lines[change.start]),
            b"".join(
                (one.without(place, change) if one is file else one).to_bytes() for one in files
            ),
        )
        for file in files
        for place, hunk in enumerate(file.hunks)
        for change in hunk.changes
    ]


def same_changes(patch: bytes, other: bytes) -> bool:
    """Return whether two patches are equal, except for words before the first header."""
    return [one.to_bytes() for one in _read(patch)] == [one.to_bytes() for one in _read(other)]


def windows_line(patch: bytes) -> int:
    """Return the number of the first header if it ends in a carriage return, as on Windows, or 0.

    A hunk of a file with such lines has them too, so only a header tells.
    """
    lines = enumerate(_LINE.findall(patch), 1)
    headers = ((number, line) for number, line in lines if _is_header(line))
    number, line = next(headers, (0, b""))
    return number if line.endswith(b"\r\n") else 0


def _is_header(line: bytes) -> bool:
    return line.startswith((b"diff --git ", b"--- "))


def _words(line: bytes) -> str:
    return shorten(line.decode("utf-8", "replace").strip("\r\n"), _SHOWN)


def _read(patch: bytes) -> list[_FilePatch]:
    """Read the files of a patch; words before and after them are left out."""
    files: list[_FilePatch] = []
    lines = iter(_LINE.findall(patch))
    for line in lines:
        last = files[-1] if files else None
        if line.startswith(b"diff --git ") or (
            line.startswith(b"--- ") and (last is None or last.hunks or _has_names(last))
        ):
            files.append(_FilePatch((line,)))
        elif last and (found := _HUNK.fullmatch(line)):
            old, new = found[1].split(b","), found[2].split(b",")
            body = _body(lines, int([*old, 1][1]), int([*new, 1][1]))
            hunk = _Hunk(int(old[0]), int(new[0]), found[3], tuple(body))
            files[-1] = replace(last, hunks=(*last.hunks, hunk))
        elif last and last.hunks and line.startswith(b"\\"):
            before = last.hunks[-1].lines
            hunk = replace(last.hunks[-1], lines=(*before[:-1], before[-1] + line))
            files[-1] = replace(last, hunks=(*last.hunks[:-1], hunk))
        elif last and not last.hunks:
            files[-1] = replace(last, headers=(*last.headers, line))
    return files


def _has_names(file: _FilePatch) -> bool:
    return any(line.startswith(b"+++ ") for line in file.headers)


def _body(lines: Iterator[bytes], old: int, new: int) -> list[bytes]:
    """Read the lines of a hunk that has so many lines of the old and of the new file."""
    found: list[bytes] = []
    while (old > 0 or new > 0) and (line := next(lines, b"")):
        if line[:1] == b"\\" and found:
            found[-1] += line
            continue
        old -= line[:1] != b"+"
        new -= line[:1] != b"-"
        found.append(line)
    return found
