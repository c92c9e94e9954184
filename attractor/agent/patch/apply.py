"""Applies a patch to the files of an environment atomically.

All changes are computed before the first write. If a write fails, earlier writes are reverted. The
lines of a hunk are matched exactly, otherwise with increasing tolerance (`patch/matching.py`). Line
endings are always ignored.
"""

import posixpath
import re
from asyncio import CancelledError
from collections.abc import Sequence
from dataclasses import replace

from attractor.agent.errors import PatchMismatch
from attractor.agent.patch.matching import find_lines, reindent
from attractor.agent.patch.parse import (
    AddFile,
    DeleteFile,
    Hunk,
    HunkLine,
    LinePrefix,
    Operation,
    Patch,
    UpdateFile,
)
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, FileError
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import NotText
from attractor.environments.files import MAX_READ

NOTHING_CHANGED = "nothing was changed; read the file and send a new patch"

_EMPTY = HunkLine(LinePrefix.KEEP, "")


def apply_hunks(text: str, hunks: Sequence[Hunk], *, path: str) -> str:
    """Return the text of a file with hunks applied; the hunks must be in the order of the file."""
    file = _File(text)
    place = 0
    for number, hunk in enumerate(hunks, 1):
        place = _apply_hunk(file, hunk, place, f"{path}, hunk {number}")
    return file.text()


class _File:
    """A text as lines with their line ends."""

    def __init__(self, text: str) -> None:
        # Only "\n" ends a line: str.splitlines would break at form feeds and the like.
        self.lines = re.findall(r"[^\n]*\n|[^\n]+", text)
        self._newline = "\r\n" if 2 * text.count("\r\n") > text.count("\n") else "\n"
        self._ends_whole = not text or text.endswith("\n")

    def new_line(self, text: str) -> str:
        return text + self._newline

    def text(self) -> str:
        ended = [line if line.endswith("\n") else line + self._newline for line in self.lines]
        text = "".join(ended)
        return text if self._ends_whole else text.removesuffix(self._newline)


def _apply_hunk(file: _File, hunk: Hunk, start: int, where: str) -> int:
    """Apply a hunk, and return the number of the line after the hunk."""
    place = _find_hints(file.lines, hunk, start, where)
    found = _find_hunk(file.lines, hunk, place)
    if found is None and hunk.lines[-1] == _EMPTY:
        # Models put an empty line between two hunks, which reads as a line of the first.
        hunk = replace(hunk, lines=hunk.lines[:-1])
        found = _find_hunk(file.lines, hunk, place)
    if found is None:
        side = "at the end of the file" if hunk.at_end_of_file else f"from line {place + 1} on"
        expected = "\n".join(hunk.expected)
        raise PatchMismatch(
            f"{where}: these lines were not found {side}:\n{expected}",
            hint=f"{NOTHING_CHANGED}; hunks must be in the order of the file",
        )
    added = iter(_indent_added(file.lines[found:], hunk, where))
    changed: list[str] = []
    line = found
    for changed_line in hunk.lines:
        if changed_line.mark is LinePrefix.ADD:
            changed.append(file.new_line(next(added)))
            continue
        if changed_line.mark is LinePrefix.KEEP:
            # The line of the file, because the line of the patch may differ in ignored characters.
            changed.append(file.lines[line])
        line += 1
    file.lines[found:line] = changed
    return found + len(changed)


def _indent_added(lines: Sequence[str], hunk: Hunk, where: str) -> Sequence[str]:
    """Return the added lines of a hunk, indented as the lines that it matches."""
    added = [line.text for line in hunk.lines if line.mark is LinePrefix.ADD]
    there = [line.rstrip("\r\n") for line in lines[: len(hunk.expected)]]
    if not added or not any(line.strip() for line in hunk.expected):
        return added
    indented = reindent(there, hunk.expected, added)
    if indented is not None:
        return indented
    # Perhaps the added lines already have the indentation of the file.
    widths = {line[: len(line) - len(line.lstrip())] for line in there if line.strip()}
    if all(line.startswith(min(widths, key=len)) for line in added if line.strip()):
        return added
    raise PatchMismatch(
        f"{where}: the lines match, but their indentation differs in more than one way",
        hint=f"{NOTHING_CHANGED}; copy the lines with their indentation",
    )


def _find_hints(lines: Sequence[str], hunk: Hunk, start: int, where: str) -> int:
    for hint in hunk.hints:
        found = find_lines(lines, [hint], start=start)
        if found is None:
            raise PatchMismatch(
                f"{where}: line {hint!r} not found after line {start}", hint=NOTHING_CHANGED
            )
        start = found
    return start


def _find_hunk(lines: Sequence[str], hunk: Hunk, start: int) -> int | None:
    if hunk.expected:
        return find_lines(lines, hunk.expected, start=start, at_end=hunk.at_end_of_file)
    # A hunk of added lines only is inserted after its hint, or at the end.
    return start + 1 if hunk.hints and not hunk.at_end_of_file else len(lines)


Content = str | bytes | None
"""The content of a file: text, other data, or no file."""


@dataclass(frozen=True)
class Change:
    """The new content of a file, and the file that was moved here, if any."""

    path: str
    before: Content
    after: Content
    moved_from: str = ""


async def apply_patch(patch: Patch, environment: ExecutionEnvironment) -> Sequence[str]:
    """Apply a patch and return a line for each operation."""
    draft = _Draft(environment)
    done = [await _apply_operation(operation, draft) for operation in patch.operations]
    await _write(draft.changes(), environment)
    return done


class _Draft:
    """The new contents of files while operations are computed."""

    def __init__(self, environment: ExecutionEnvironment) -> None:
        self._environment = environment
        self._before: dict[str, Content] = {}
        self._after: dict[str, Content] = {}
        self._moved_from: dict[str, str] = {}

    async def read(self, path: str) -> Content:
        name = self._name(path)
        if name not in self._after:
            self._before[name] = self._after[name] = await _read(name, self._environment)
        return self._after[name]

    async def read_existing(self, path: str) -> str | bytes:
        content = await self.read(path)
        if content is None:
            raise PatchMismatch(f"{path}: no such file", hint=NOTHING_CHANGED)
        return content

    async def create(self, path: str, content: str | bytes) -> None:
        if await self.read(path) is not None:
            raise PatchMismatch(
                f"{path}: the file already exists",
                hint="nothing was changed; update the file, or delete it first",
            )
        self.put(path, content)

    async def move(self, path: str, target: str, content: str | bytes) -> None:
        self.put(path, None)
        await self.create(target, content)
        name = self._name(path)
        self._moved_from[self._name(target)] = self._moved_from.get(name, name)

    def put(self, path: str, content: Content) -> None:
        self._after[self._name(path)] = content

    def _name(self, path: str) -> str:
        """Return the normalized path of a file, relative to the working directory."""
        here = self._environment.working_directory()
        return posixpath.relpath(posixpath.join(here, path), here)

    def changes(self) -> Sequence[Change]:
        """Return the changes: written files first, removed files last."""
        changes = [
            Change(path, self._before[path], after, self._moved_from.get(path, ""))
            for path, after in self._after.items()
        ]
        changes = [change for change in changes if change.before != change.after]
        return sorted(changes, key=lambda change: change.after is None)


async def _apply_operation(operation: Operation, draft: _Draft) -> str:
    match operation:
        case AddFile(path, lines):
            await draft.create(path, "".join(f"{line}\n" for line in lines))
            return f"A {path}"
        case DeleteFile(path):
            await draft.read_existing(path)
            draft.put(path, None)
            return f"D {path}"
        case UpdateFile():
            return await _update(operation, draft)


async def _update(operation: UpdateFile, draft: _Draft) -> str:
    content = await draft.read_existing(operation.path)
    if operation.hunks and isinstance(content, bytes):
        raise PatchMismatch(f"{operation.path}: the file is not text", hint=NOTHING_CHANGED)
    if isinstance(content, str):
        content = apply_hunks(content, operation.hunks, path=operation.path)
    if not operation.move_to:
        draft.put(operation.path, content)
        return f"M {operation.path}"
    await draft.move(operation.path, operation.move_to, content)
    return f"R {operation.path} -> {operation.move_to}"


async def _write(changes: Sequence[Change], environment: ExecutionEnvironment) -> None:
    written: list[Change] = []
    try:
        for change in changes:
            written.append(change)
            await _put(change.path, change.after, environment, change.moved_from)
    except (AttractorError, OSError, CancelledError) as error:
        lost = [
            change.path for change in reversed(written) if not await _put_back(change, environment)
        ]
        if lost:
            raise FileError(
                f"a patch could not be written ({error}), and these files could not be restored: "
                + ", ".join(lost),
                hint="free disk space and repeat the stage; its files are only partly changed",
            ) from error
        raise


async def _read(path: str, environment: ExecutionEnvironment) -> Content:
    if not await environment.file_exists(path):
        return None
    try:
        return await environment.read_file(path)
    except NotText:
        return await environment.read_bytes(path, limit=MAX_READ)


async def _put(
    path: str, content: Content, environment: ExecutionEnvironment, moved_from: str = ""
) -> None:
    if content is None:
        await environment.delete_file(path)
    else:
        await environment.write_file(path, content, permissions_of=moved_from)


async def _put_back(change: Change, environment: ExecutionEnvironment) -> bool:
    """Restore a file and return whether that succeeded."""
    try:
        if await _read(change.path, environment) != change.before:
            await _put(change.path, change.before, environment)
    except (AttractorError, OSError):
        return False
    return True
