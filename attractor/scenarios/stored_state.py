"""Copies what the older version of a service stored into the folder of a candidate."""

import shlex
from collections.abc import AsyncGenerator, Sequence

from attractor.engine.outcome import Culprit
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import FileUnusable
from attractor.scenarios.evaluation import TrialTrouble

_DEEPEST = 16
_MOST_FILES = 1000
_LARGEST = 64 * 1024 * 1024


async def copy_state(
    older: ExecutionEnvironment, candidate: ExecutionEnvironment, paths: Sequence[str]
) -> str:
    """Replace paths of the candidate by those of the older version; return why not, or ""."""
    count = size = 0
    for path in paths:
        removed = await candidate.exec_command(f"rm -rf -- {shlex.quote(path)}", timeout_ms=10_000)
        if removed.exit_code != 0:
            return f"{path} was not replaced: {removed.stderr.strip()}"
        try:
            async for file, content in _files(older, path):
                count, size = count + 1, size + len(content)
                if count > _MOST_FILES or size > _LARGEST:
                    raise failed_base(
                        f"{path} has more than {_MOST_FILES} files or {_LARGEST} bytes"
                    )
                try:
                    await candidate.write_file(file, content)
                except FileUnusable as error:
                    return f"{file} was not written: {error.message}"
        except FileUnusable as error:
            raise failed_base(error.message) from error
    return ""


async def _files(older: ExecutionEnvironment, path: str) -> AsyncGenerator[tuple[str, bytes]]:
    """Yield the files at and below a path; the base must have written it."""
    if not await older.file_exists(path):
        raise failed_base(f"it wrote no {path}")
    try:
        entries = await older.list_directory(path, depth=_DEEPEST)
    except FileUnusable:
        yield path, await older.read_bytes(path, limit=_LARGEST)
        return
    for entry in entries:
        if not entry.is_dir:
            file = f"{path}/{entry.name}"
            yield file, await older.read_bytes(file, limit=_LARGEST)


def failed_base(words: str) -> TrialTrouble:
    """Return the trouble that the tree before the change has failed."""
    return TrialTrouble(f"the base: {words}", Culprit.SUITE, reason="The base failed")
