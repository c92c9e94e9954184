"""Copies what the older version of a service stored into the folder of a candidate."""

import shlex
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from attractor.engine.outcome import Culprit
from attractor.environments.environment import DirEntry, ExecutionEnvironment
from attractor.environments.errors import FileUnusable
from attractor.scenarios.evaluation import TrialTrouble

_DEEPEST = 16
_MOST_ENTRIES = 1000
_LARGEST = 64 * 1024 * 1024
# The names come by the standard input, because a command line may not be that long.
_REPLACE = """\
rm -rf -- {path} && while IFS= read -r folder; do mkdir -p -- "$folder" || exit; done
"""


async def copy_state(
    older: ExecutionEnvironment, candidate: ExecutionEnvironment, paths: Sequence[str]
) -> str:
    """Replace paths of the candidate by those of the older version; return why not, or ""."""
    count = size = 0
    for path in paths:
        with _of_base():
            stored = await _stored(older, path)
        count, size = count + len(stored), size + sum(one.size or 0 for one in stored)
        if count > _MOST_ENTRIES or size > _LARGEST:
            most = f"{_MOST_ENTRIES} files and folders or {_LARGEST} bytes"
            raise failed_base(f"{path} has more than {most}")
        replaced = await candidate.exec_command(
            _REPLACE.format(path=shlex.quote(path)),
            timeout_ms=10_000,
            stdin="".join(f"{one.name}\n" for one in stored if one.is_dir).encode(),
        )
        if replaced.exit_code != 0:
            return f"{path} was not replaced: {replaced.stderr.strip()}"
        for file in (one.name for one in stored if not one.is_dir):
            with _of_base():
                content = await older.read_bytes(file, limit=_LARGEST)
            try:
                await candidate.write_file(file, content)
            except FileUnusable as error:
                return f"{file} was not written: {error.message}"
    return ""


async def _stored(older: ExecutionEnvironment, path: str) -> list[DirEntry]:
    """Return the folders and regular files at and below a path; the base must have written it."""
    if not await older.file_exists(path):
        raise failed_base(f"it wrote no {path}")
    try:
        entries = await older.list_directory(path, depth=_DEEPEST)
    except FileUnusable:
        content = await older.read_bytes(path, limit=_LARGEST + 1)
        return [DirEntry(path, False, len(content))]
    if any(one.is_dir and one.name.count("/") == _DEEPEST - 1 for one in entries):
        raise failed_base(f"{path} has more than {_DEEPEST - 1} folders in each other")
    below = [replace(one, name=f"{path}/{one.name}") for one in entries]
    return [
        DirEntry(path, True, None),
        *(one for one in below if one.is_dir or one.size is not None),
    ]


@contextmanager
def _of_base() -> Generator[None]:
    """Make it the fault of the base if a file of it cannot be read."""
    try:
        yield
    except FileUnusable as error:
        raise failed_base(error.message) from error


def failed_base(words: str) -> TrialTrouble:
    """Return the trouble that the tree before the change has failed."""
    return TrialTrouble(f"the base: {words}", Culprit.SUITE, reason="The base failed")
