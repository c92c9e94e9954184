"""Describes a changed pipeline for `git diff`: changes in meaning, or changed lines for an invalid
text.

Git aborts when a driver fails, so every change gets an output here.
"""

from collections.abc import Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.cli.output.files import text_diff
from attractor.language.comparison.compare import diff
from attractor.language.comparison.difference import NO_CHANGE, difference_text
from attractor.language.graph.graph import Graph
from attractor.language.reading import decode, parse
from attractor.language.source.text import visible

_NO_FILE = "/dev/null"
_NOTHING = Graph("", {})
# Arguments: the path alone for an unmerged file; otherwise the path, the old file with hash and
# mode, and the new file with hash and mode; for a renamed file also the new name and a message.
_COUNTS = (1, 7, 8, 9)


@dataclass(frozen=True)
class _Version:
    """A file before or after a change; Git may store its content under another path."""

    side: str
    name: str
    file: str
    mode: str

    @property
    def is_there(self) -> bool:
        return self.file != _NO_FILE

    @property
    def shown_name(self) -> str:
        return visible(self.name) if self.is_there else _NO_FILE

    def content(self) -> bytes:
        try:
            return Path(self.file).read_bytes() if self.is_there else b""
        except OSError as error:
            message = f"cannot read the {self.side} text: {error.strerror}"
            raise UsageError(message) from error

    def graph(self, content: bytes) -> Graph:
        if not self.is_there:
            return _NOTHING
        try:
            return parse(decode(content, file=self.name), file=self.name)
        except UsageError as error:
            message = f"the {self.side} text is not a valid pipeline: {error.message}"
            raise UsageError(message, hint=error.hint) from error


def describe_change(arguments: Sequence[str]) -> str:
    """Return the output for the arguments that Git passes to a diff driver."""
    if len(arguments) not in _COUNTS:
        hint = 'git config diff.attractor.command "attractor diff --git-driver --"'
        raise UsageError("Git passes 1 or 7 to 9 arguments to a diff driver", hint=hint)
    path, *rest = arguments
    if not rest:
        return f"pipeline {visible(path)} has a merge conflict"
    old_file, _, old_mode, new_file, _, new_mode, name, message = (*rest, "", "")[:8]
    before = _Version("old", path, old_file, old_mode)
    after = _Version("new", name or path, new_file, new_mode)
    head = _head(before, after, is_copy="copy from" in message)
    try:
        return f"{head}{_changes(before, after)}"
    except UsageError as error:
        return f"{head}: {error.message}"


def _head(before: _Version, after: _Version, *, is_copy: bool) -> str:
    if not before.is_there:
        return f"pipeline {after.shown_name} was added"
    if not after.is_there:
        return f"pipeline {before.shown_name} was removed"
    mode = "" if before.mode == after.mode else f" (mode {before.mode} -> {after.mode})"
    if before.name == after.name:
        return f"pipeline {after.shown_name}{mode}"
    if is_copy:
        return f"pipeline {after.shown_name} was copied from {before.shown_name}{mode}"
    return f"pipeline {before.shown_name} was renamed to {after.shown_name}{mode}"


def _changes(before: _Version, after: _Version) -> str:
    old, new = before.content(), after.content()
    if old == new and before.is_there and after.is_there:
        return "\nthe text is unchanged"
    try:
        graphs = before.graph(old), after.graph(new)
    except UsageError as error:
        if b"\0" in old + new:
            return f": {error.message}"
        return f": compared by lines, because {error.message}\n{_lines(before, after, old, new)}"
    return f"\n{difference_text(diff(*graphs)) or NO_CHANGE}"


def _lines(before: _Version, after: _Version, old: bytes, new: bytes) -> str:
    texts = (one.decode(errors="surrogateescape") for one in (old, new))
    return text_diff(*texts, file=after.shown_name, old_file=before.shown_name)
