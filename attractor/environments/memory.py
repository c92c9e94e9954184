"""An environment with files in memory and a table of command results, for tests of tools."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from attractor.base.errors import UsageError
from attractor.base.patterns import linear_search
from attractor.base.processes import ExecResult, OnOutput, OutputChunk
from attractor.environments._search import matches, selects, show_matches
from attractor.environments.confined_paths import ConfinedFolder
from attractor.environments.environment import DirEntry, GrepOptions, Promises, RunningCommand
from attractor.environments.errors import FileMissing, FileUnusable, InvalidPattern, NotSupported
from attractor.environments.files import MAX_READ, decode_text, encode_text, select_lines

WORKSPACE = "/workspace"


class MemoryExecutionEnvironment:
    """An environment without a machine, for tests; tests read `files` and `ran`."""

    def __init__(
        self,
        files: Mapping[str, str] | None = None,
        *,
        commands: Mapping[str, ExecResult] | None = None,
    ) -> None:
        self._paths = ConfinedFolder(Path(WORKSPACE), (WORKSPACE,))
        self._commands = dict(commands or {})
        self.files = dict(files or {})
        self.ran: list[str] = []

    async def initialize(self) -> None:
        """Do nothing."""

    async def cleanup(self) -> None:
        """Do nothing."""

    def working_directory(self) -> str:
        """Return the working folder."""
        return WORKSPACE

    def platform(self) -> str:
        """Return a fixed system."""
        return "linux"

    def os_version(self) -> str:
        """Return a fixed version."""
        return "memory"

    def promises(self) -> Promises:
        """Return no guarantees."""
        return Promises()

    async def read_file(
        self, path: str, *, offset: int | None = None, limit: int | None = None
    ) -> str:
        """Return the text of a file, or some lines of the text."""
        data = await self.read_bytes(path, limit=MAX_READ)
        return select_lines(decode_text(data, path), offset, limit)

    async def read_bytes(self, path: str, *, limit: int) -> bytes:
        """Return the first `limit` bytes of a file."""
        text = self.files[self._file("read", path)]
        return text.encode(errors="surrogateescape")[:limit]

    async def write_file(
        self, path: str, content: str | bytes, *, permissions_of: str = ""
    ) -> None:
        """Store a text under a path, as the newest file."""
        name = self._paths.relative(path)
        data = encode_text(content, path)
        if name == "." or name in self._folders():
            raise FileUnusable(f"{path} is a folder")
        if any(name.startswith(f"{file}/") for file in self.files):
            raise FileUnusable(f"cannot write {path}: a folder of the path is a file")
        self.files.pop(name, None)
        self.files[name] = data.decode(errors="surrogateescape")

    async def delete_file(self, path: str) -> None:
        """Remove a file."""
        del self.files[self._file("delete", path)]

    async def file_exists(self, path: str) -> bool:
        """Return whether a file or folder exists."""
        name = self._paths.relative(path)
        return name == "." or name in self.files or name in self._folders()

    async def list_directory(self, path: str, *, depth: int = 1) -> Sequence[DirEntry]:
        """Return the entries of a folder."""
        if depth < 1:
            raise UsageError(f"invalid depth {depth}", hint="1 lists only the folder itself")
        before = self._folder("list", path)
        sizes = {name: len(text.encode()) for name, text in self.files.items()}
        below = [name for name in {*sizes, *self._folders()} if name.startswith(before)]
        return [
            DirEntry(name.removeprefix(before), name not in sizes, sizes.get(name))
            for name in sorted(below)
            if name.removeprefix(before).count("/") < depth
        ]

    async def glob(self, pattern: str, path: str = ".") -> Sequence[str]:
        """Return the files that match a pattern, the newest first."""
        if pattern.startswith("/"):
            pattern, path = self._paths.relative(pattern), "."
        before = self._folder("search", path)
        return [
            name
            for name in reversed(self.files)
            if name.startswith(before) and matches(pattern, name.removeprefix(before))
        ]

    async def grep(self, pattern: str, path: str, options: GrepOptions) -> str:
        """Return `file:line:text` for every line that a regular expression matches."""
        try:
            search = linear_search(pattern, case_sensitive=not options.ignore_case)
        except ValueError as cause:
            raise InvalidPattern(f"{pattern!r} is an {cause}") from cause
        found = [
            f"{line}\n"
            for name in self._searched(path, options.glob)
            for line in show_matches(name, self.files[name], search, options.output)
        ]
        return "".join(found[: options.max_results])

    async def exec_command(
        self,
        command: str,
        *,
        timeout_ms: int,
        working_dir: str | None = None,
        env_vars: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
    ) -> ExecResult:
        """Return the result of a command from the table."""
        self.ran.append(command)
        if command not in self._commands:
            raise NotSupported(
                f"the memory environment has no result for the command: {command}",
                hint="pass it with commands=",
            )
        result = self._commands[command]
        if on_output:
            on_output(OutputChunk("stdout", result.stdout))
            on_output(OutputChunk("stderr", result.stderr))
        return result

    async def start_service(
        self, command: str, *, env_vars: Mapping[str, str] | None = None
    ) -> RunningCommand:
        """Raise NotSupported."""
        raise NotSupported(f"the memory environment runs no services: {command}")

    def reach(self, port: int) -> AbstractAsyncContextManager[str]:
        """Raise NotSupported."""
        raise NotSupported(f"the memory environment has no port {port}")

    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Raise NotSupported."""
        raise NotSupported(f"the memory environment has no port {port}")

    def _folders(self) -> set[str]:
        return {
            str(folder) for name in self.files for folder in Path(name).parents if name != "."
        } - {"."}

    def _file(self, verb: str, path: str) -> str:
        name = self._paths.relative(path)
        if name == "." or name in self._folders():
            raise FileUnusable(f"{path} is a folder")
        if name not in self.files:
            raise FileMissing(f"cannot {verb} {path}: no such file")
        return name

    def _folder(self, verb: str, path: str) -> str:
        """Return the path prefix that all files in a folder have in common."""
        name = self._paths.relative(path)
        if name == ".":
            return ""
        if name not in self._folders():
            raise FileMissing(f"cannot {verb} {path}: no such folder")
        return f"{name}/"

    def _searched(self, path: str, glob: str) -> Iterator[str]:
        file = self._paths.relative(path)
        before = "" if file in self.files else self._folder("search", path)
        if file in self.files:
            yield file
            return
        for name in sorted(self.files, key=lambda name: name.split("/")):
            if name.startswith(before) and (not glob or selects(glob, name)):
                yield name
