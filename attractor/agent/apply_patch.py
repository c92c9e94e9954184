"""Applies a patch to the files of an environment, all of it or nothing.

Everything is read and computed first; only then is written. When a write fails, what was written
before is put back.
"""

import posixpath
from asyncio import CancelledError
from collections.abc import Sequence

from attractor.agent.errors import PatchMismatch
from attractor.agent.patch_hunks import NOTHING_CHANGED, apply_hunks
from attractor.agent.patches import AddFile, DeleteFile, Operation, Patch, UpdateFile
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, FileTrouble
from attractor.environments.environment import ExecutionEnvironment


@dataclass(frozen=True)
class Change:
    """What becomes of one file; no content stands for no file."""

    path: str
    before: str | None
    after: str | None


async def apply_patch(patch: Patch, environment: ExecutionEnvironment) -> Sequence[str]:
    """Apply a patch and return a line for each operation."""
    draft = _Draft(environment)
    done = [await _apply_operation(operation, draft) for operation in patch.operations]
    await _write(draft.changes(), environment)
    return done


class _Draft:
    """The files as they will be, while operations are worked out."""

    def __init__(self, environment: ExecutionEnvironment) -> None:
        self._environment = environment
        self._before: dict[str, str | None] = {}
        self._after: dict[str, str | None] = {}

    async def read(self, path: str) -> str | None:
        name = self._name(path)
        if name not in self._after:
            there = await self._environment.file_exists(name)
            text = await self._environment.read_file(name) if there else None
            self._before[name] = self._after[name] = text
        return self._after[name]

    async def read_existing(self, path: str) -> str:
        text = await self.read(path)
        if text is None:
            raise PatchMismatch(f"{path}: there is no such file", hint=NOTHING_CHANGED)
        return text

    async def create(self, path: str, text: str) -> None:
        if await self.read(path) is not None:
            raise PatchMismatch(
                f"{path}: there is such a file already",
                hint="nothing was changed; update the file, or delete it first",
            )
        self.put(path, text)

    def put(self, path: str, text: str | None) -> None:
        self._after[self._name(path)] = text

    def _name(self, path: str) -> str:
        """Return one name for a file, however the patch writes it."""
        here = self._environment.working_directory()
        return posixpath.relpath(posixpath.join(here, path), here)

    def changes(self) -> Sequence[Change]:
        """Return what differs, new contents before removals."""
        changes = [Change(path, self._before[path], after) for path, after in self._after.items()]
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
    before = await draft.read_existing(operation.path)
    after = apply_hunks(before, operation.hunks, path=operation.path)
    if not operation.move_to:
        draft.put(operation.path, after)
        return f"M {operation.path}"
    draft.put(operation.path, None)
    await draft.create(operation.move_to, after)
    return f"R {operation.path} -> {operation.move_to}"


async def _write(changes: Sequence[Change], environment: ExecutionEnvironment) -> None:
    written: list[Change] = []
    try:
        for change in changes:
            written.append(change)
            await _put(change.path, change.after, environment)
    except (AttractorError, OSError, CancelledError) as error:
        lost = [one.path for one in reversed(written) if not await _put_back(one, environment)]
        if lost:
            raise FileTrouble(
                f"a patch could not be written ({error}), nor these files put back: "
                + ", ".join(lost),
                hint="free some space and begin the stage anew; its tree is half changed",
            ) from error
        raise


async def _put(path: str, content: str | None, environment: ExecutionEnvironment) -> None:
    if content is None:
        await environment.delete_file(path)
    else:
        await environment.write_file(path, content)


async def _put_back(change: Change, environment: ExecutionEnvironment) -> bool:
    """Make a file what it was, unless it is; tell whether it is now."""
    try:
        there = await environment.file_exists(change.path)
        now = await environment.read_file(change.path) if there else None
        if now != change.before:
            await _put(change.path, change.before, environment)
    except (AttractorError, OSError):
        return False
    return True
