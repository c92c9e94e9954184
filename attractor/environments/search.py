"""Searches files with ripgrep (or with Python if ripgrep is missing), and matches glob patterns.

Both searches include hidden and ignored files, but skip `.git` and binary files.
"""

import json
import shlex
from collections.abc import Callable, Coroutine, Iterable, Set
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from attractor.base.dataclasses import dataclass
from attractor.base.processes import ExecResult
from attractor.environments.environment import GrepOptions
from attractor.environments.errors import FileUnusable, InvalidPattern

TIME_LIMIT_MS = 30_000

_LONGEST_LINE = 500
_SEARCH = Path(__file__).parent / "_search.py"

Execute = Callable[[str], Coroutine[Any, Any, ExecResult]]


@dataclass(frozen=True)
class Searcher:
    """The programs for searching, with the paths of these programs in the environment."""

    python: str
    ripgrep: str | None

    async def grep(self, pattern: str, path: str, options: GrepOptions, execute: Execute) -> str:
        """Search below a relative path, with a command in the working folder."""
        command = self._ripgrep(pattern, path, options) or self._python(pattern, path, options)
        result = await execute(command)
        if result.timed_out:
            hint = "search a smaller folder, or with a simpler pattern"
            raise FileUnusable(f"the search exceeded {TIME_LIMIT_MS} ms", hint=hint)
        if result.exit_code not in (0, 1) and not result.stdout:
            raise _failure(pattern, path, result.stderr)
        lines = result.stdout.splitlines(keepends=True)[: options.max_results]
        return "".join(line.removeprefix("./") for line in lines)

    def _ripgrep(self, pattern: str, path: str, options: GrepOptions) -> str:
        if not self.ripgrep:
            return ""
        globs = [*(["--glob", options.glob] if options.glob else []), "--glob", "!.git"]
        switches = [
            *("--no-config", "--no-heading", "--with-filename", "--line-number", "--no-messages"),
            *("--color=never", "--hidden", "--no-ignore", "--sort=path", "--max-columns-preview"),
            *(f"--max-columns={_LONGEST_LINE}", f"--max-count={options.max_results}"),
            *(["--ignore-case"] if options.ignore_case else []),
        ]
        return shlex.join([self.ripgrep, *switches, *globs, "--regexp", pattern, "--", path])

    def _python(self, pattern: str, path: str, options: GrepOptions) -> str:
        arguments = {
            "pattern": pattern,
            "path": path,
            "glob": options.glob,
            "ignore_case": options.ignore_case,
            "max_results": options.max_results,
        }
        code = _SEARCH.read_text("utf-8")
        return shlex.join([self.python, "-I", "-S", "-c", code, json.dumps(arguments)])


def _failure(pattern: str, path: str, stderr: str) -> FileUnusable | InvalidPattern:
    if "regex parse error" in stderr:
        words = " ".join(stderr.partition("regex parse error:")[2].split())
        return InvalidPattern(f"{pattern!r} is an invalid regular expression: {words}")
    return FileUnusable(f"cannot search {path}: {' '.join(stderr.split())}")


_ANY_FOLDERS = "**"


def matches(pattern: str, path: str) -> bool:
    """Return whether a path matches; names that begin with a dot are not special."""
    segments = [part for part in pattern.split("/") if part not in ("", ".")]
    reached = _past_any(segments, {0})
    for name in path.split("/"):
        reached = _past_any(segments, _after(name, segments, reached))
    return len(segments) in reached


def _after(name: str, segments: list[str], reached: Set[int]) -> Iterable[int]:
    for at in reached:
        if at < len(segments) and segments[at] == _ANY_FOLDERS:
            yield at
        elif at < len(segments) and fnmatchcase(name, segments[at]):
            yield at + 1


def _past_any(segments: list[str], reached: Iterable[int]) -> Set[int]:
    """Add the positions after each `**`, because `**` may match nothing."""
    places: set[int] = set()
    for at in reached:
        places.add(at)
        while at < len(segments) and segments[at] == _ANY_FOLDERS:
            at += 1
            places.add(at)
    return places
