"""Finds what a project tells agents: AGENTS.md and the files of one provider (§6.5)."""

import posixpath
from collections.abc import Sequence

from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import FileUnusable

BUDGET = 32 * 1024
_CUT = "[Project instructions truncated at 32KB]"


async def discover_project_documents(
    environment: ExecutionEnvironment, names: Sequence[str], *, depth: int = 0
) -> str:
    """Return the files from so many folders above down to the working directory, deepest last."""
    here = environment.working_directory()
    folders = [
        posixpath.normpath(posixpath.join(here, *[".."] * up)) for up in range(depth, -1, -1)
    ]
    paths = [posixpath.join(folder, name) for folder in folders for name in names]
    texts = [await _read(environment, path, here) for path in paths]
    return _within_budget("\n\n".join(filter(None, texts)))


async def _read(environment: ExecutionEnvironment, path: str, here: str) -> str:
    if not await _exists(environment, path):
        return ""
    name = posixpath.relpath(path, here)
    try:
        text = await environment.read_file(path)
    except FileUnusable as error:
        # A session that cannot begin would be worse than one that knows less.
        return f"[{name} could not be read: {error}]"
    return f"# {name}\n\n{text.strip()}" if text.strip() else ""


async def _exists(environment: ExecutionEnvironment, path: str) -> bool:
    try:
        return await environment.file_exists(path)
    except FileUnusable:
        # Most environments end at the working directory.
        return False


def _within_budget(text: str) -> str:
    written = text.encode()
    if len(written) <= BUDGET:
        return text
    return written[:BUDGET].decode(errors="ignore") + f"\n{_CUT}"
