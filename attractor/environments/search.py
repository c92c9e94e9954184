"""Searches files with ripgrep, or with Python if ripgrep is missing.

Both searches include hidden and ignored files, but skip `.git` and binary files. They find the same
for patterns that both kinds of regular expressions share, in text files up to 32 MB.
"""

import json
import shlex
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.base.processes import ExecResult
from attractor.environments._search import LONGEST_LINE
from attractor.environments.environment import GrepOptions, GrepOutput
from attractor.environments.errors import FileUnusable, InvalidPattern

TIME_LIMIT_MS = 30_000

_SEARCH = Path(__file__).parent / "_search.py"

# ripgrep says this about a binary file that was named.
_BINARY = late_pattern(r"binary file matches \(found \"\\0\" byte around offset \d+\)$")
_OUTPUT = {
    GrepOutput.CONTENT: (),
    GrepOutput.FILES: ("--files-with-matches",),
    GrepOutput.COUNT: ("--count",),
}

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
        # ripgrep exits with 2, too, if it cannot read a file.
        if result.exit_code not in (0, 1) and result.stderr and not result.stdout:
            if "regex parse error" in result.stderr:
                words = " ".join(result.stderr.partition("regex parse error:")[2].split())
                raise InvalidPattern(f"{pattern!r} is an invalid regular expression: {words}")
            raise FileUnusable(f"cannot search {path}: {' '.join(result.stderr.split())}")
        lines = [line for line in result.stdout.split("\n") if line and not _BINARY.search(line)]
        return "".join(f"{line.removeprefix('./')}\n" for line in lines[: options.max_results])

    def _ripgrep(self, pattern: str, path: str, options: GrepOptions) -> str:
        if not self.ripgrep:
            return ""
        globs = [*(["--glob", options.glob] if options.glob else []), "--glob", "!.git"]
        switches = [
            *("--no-config", "--no-heading", "--with-filename", "--line-number", "--no-messages"),
            *("--color=never", "--hidden", "--no-ignore", "--sort=path", "--max-columns-preview"),
            *("--encoding=none", f"--max-columns={LONGEST_LINE}"),
            *(["--ignore-case"] if options.ignore_case else []),
            *_OUTPUT[options.output],
        ]
        if options.output is GrepOutput.CONTENT:
            switches.append(f"--max-count={options.max_results}")
        return shlex.join([self.ripgrep, *switches, *globs, "--regexp", pattern, "--", path])

    def _python(self, pattern: str, path: str, options: GrepOptions) -> str:
        arguments = {
            "pattern": pattern,
            "path": path,
            "glob": options.glob,
            "ignore_case": options.ignore_case,
            "max_results": options.max_results,
            "output": options.output,
        }
        code = _SEARCH.read_text("utf-8")
        return shlex.join([self.python, "-I", "-S", "-c", code, json.dumps(arguments)])
