"""Changes of a stage or a run, by folders and with highlighted lines."""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from fastapi import Request

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.diffs import Diff, FileDiff, read_run_diff
from attractor.server.html.highlighting import DiffLine, DiffRow, diff_lines, side_by_side


@dataclass(frozen=True)
class HighlightedDiff:
    """A diff of one file, to show."""

    file: FileDiff
    lines: Sequence[DiffLine]

    @property
    def is_short(self) -> bool:
        """Whether the lines are shown at first."""
        return len(self.lines) <= MOST_DIFF_LINES

    @property
    def rows(self) -> Iterator[DiffRow]:
        """The lines side by side."""
        return side_by_side(self.lines)

    @property
    def digest(self) -> str:
        """A short hash of path and content: other changes of the file have another one."""
        text = f"{self.file.path}\0{self.file.text}"
        return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


MOST_DIFF_LINES = 400
MOST_FOLDERS = 20
"""The depth of a tree of files; deeper files have the rest of their path as name."""


@dataclass(frozen=True)
class FileTree:
    """Changed files below a folder, with their names in it."""

    name: str
    folders: Sequence["FileTree"]
    files: Sequence[tuple[str, HighlightedDiff]]


def tree_of(diffs: Sequence[HighlightedDiff], name: str = "", depth: int = 0) -> FileTree:
    """Return changed files as a tree; a folder that has one folder alone is joined to it."""
    files: list[tuple[str, HighlightedDiff]] = []
    folders: dict[str, list[HighlightedDiff]] = {}
    for each in diffs:
        first, *rest = each.file.path.split("/")[depth:]
        if rest and depth < MOST_FOLDERS:
            folders.setdefault(first, []).append(each)
        else:
            files.append(("/".join([first, *rest]), each))
    if name and not files and len(folders) == 1:
        [(inner, found)] = folders.items()
        return tree_of(found, f"{name}/{inner}", depth + 1)
    below = [tree_of(found, inner, depth + 1) for inner, found in folders.items()]
    return FileTree(name, below, files)


@dataclass(frozen=True)
class Changes:
    """The changes of a stage or a run, to show; `refused` and `hint` if they cannot be read."""

    files: Sequence[HighlightedDiff] = ()
    remarks: str = ""
    refused: str = ""
    hint: str = ""

    @property
    def tree(self) -> FileTree:
        """The changed files by folders."""
        return tree_of(self.files)


def read_changes(root: Path, project: Project) -> Changes:
    """Return the changes of a run from its base."""
    try:
        return changes_in(asyncio.run(read_run_diff(root, project)))
    except Refused as refused:
        return Changes(refused=refused.message, hint=refused.hint)


def split_query(request: Request) -> str:
    """Return the query of a page that shows changes side by side; empty for one column."""
    return "?view=split" if request.query_params.get("view") == "split" else ""


def changes_in(diff: Diff) -> Changes:
    """Return changes to show, with their lines highlighted."""
    files = [HighlightedDiff(file, diff_lines(file.text, file.path)) for file in diff.files]
    cut = "The changes are cut off here: there are more." if diff.is_cut else ""
    return Changes(files, " ".join(filter(None, [diff.remarks, cut])))
