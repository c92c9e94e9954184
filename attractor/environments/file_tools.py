"""The file tools of every environment that works on a folder of this machine.

They work on the folder from outside, confined to it. Only grep runs a command, as the environment
runs all its commands.
"""

import asyncio
from collections.abc import Sequence

from attractor.environments import files
from attractor.environments.confined import Confined
from attractor.environments.environment import DirEntry, GrepOptions
from attractor.environments.searching import Execute, Searcher


class FileTools:
    """Reads, writes, lists and searches the files of one folder."""

    def __init__(self, confined: Confined, searcher: Searcher, execute: Execute) -> None:
        self._confined = confined
        self._searcher = searcher
        self._execute = execute

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        """Return a file's text, or lines of it."""
        return files.read_text(self._confined, path, offset=offset, limit=limit)

    async def write_file(self, path: str, content: str) -> None:
        """Write a file whole, its folders included."""
        files.write_text(self._confined, path, content)

    async def delete_file(self, path: str) -> None:
        """Remove a file."""
        files.delete(self._confined, path)

    async def file_exists(self, path: str) -> bool:
        """Tell whether there is a file or folder."""
        return files.exists(self._confined, path)

    async def list_directory(self, path: str, *, depth: int = 1) -> Sequence[DirEntry]:
        """Return the names in a folder."""
        return await asyncio.to_thread(files.list_directory, self._confined, path, depth=depth)

    async def glob(self, pattern: str, path: str = ".") -> Sequence[str]:
        """Return the files a pattern matches, the newest first."""
        return await asyncio.to_thread(files.glob, self._confined, pattern, path)

    async def grep(self, pattern: str, path: str, options: GrepOptions) -> str:
        """Return `file:line:text` for every line that matches."""
        below = files.require_there(self._confined, path)
        return await self._searcher.grep(pattern, below, options, self._execute)
