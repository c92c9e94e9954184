"""Requires that the model has read a file before it edits or replaces the file."""

import posixpath
import re
from collections.abc import Mapping

from attractor.agent.errors import ToolError
from attractor.base.json import Json
from attractor.environments.environment import ExecutionEnvironment

_GUARDED = frozenset({"edit_file", "write_file"})
_SHOWING = _GUARDED | {"read_file"}
_PATCHED = re.compile(r"^\*\*\* (?:Add File|Update File|Move to): (.+)$", re.MULTILINE)
_FOUND = re.compile(r"^([^\n:]+):\d+:", re.MULTILINE)
_WORD = re.compile(r"[^\s'\"|;&<>()=]+")


class SeenFiles:
    """The files that the tool calls of a session have shown or written.

    A file that a shell command names counts as seen, because models also read with `cat` or `sed`.
    """

    def __init__(self) -> None:
        self._paths = set[str]()
        self._words = set[str]()

    def add(self, path: str) -> None:
        """Mark a file as seen; the path starts at the working directory."""
        self._paths.add(posixpath.normpath(path))

    def learn(self, tool: str, arguments: Mapping[str, Json], output: str = "") -> None:
        """Mark the files of a successful call as seen."""
        path, command = arguments.get("file_path"), arguments.get("command")
        if tool in _SHOWING and isinstance(path, str):
            self.add(path)
        if tool == "shell" and isinstance(command, str):
            self._words |= {posixpath.basename(word) for word in _WORD.findall(command)}
        if tool == "grep":
            for found in _FOUND.findall(output):
                self.add(found)
        patch = arguments.get("patch")
        if tool == "apply_patch" and isinstance(patch, str):
            for changed in _PATCHED.findall(patch):
                self.add(changed.strip())

    async def require(
        self, tool: str, arguments: Mapping[str, Json], environment: ExecutionEnvironment
    ) -> None:
        """Raise a ToolError before a change of an existing file that was not seen."""
        path = arguments.get("file_path")
        if tool not in _GUARDED or not isinstance(path, str):
            return
        here = environment.working_directory()
        name = posixpath.relpath(posixpath.join(here, path), here)
        spellings = (posixpath.normpath(path), name, posixpath.join(here, name))
        if posixpath.basename(name) in self._words or not self._paths.isdisjoint(spellings):
            return
        if await environment.file_exists(path):
            raise ToolError(
                f"{path} exists, and you have not read it",
                hint="read the file with read_file, then repeat the call",
            )
