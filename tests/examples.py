"""Reads the shell examples in the documentation and runs them.

A fence of the language `console` holds commands after `$ ` and below each what it prints; `...`
stands for anything, in a line or as a line of its own.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.prepared import quick_programs

ROOT = Path(__file__).parent.parent
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Fence:
    """One fenced block of a page."""

    page: Path
    number: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}-{self.number}"


def fences(language: str | None = None) -> list[Fence]:
    found = [
        Fence(page, number, *match.groups())
        for page in PAGES
        for number, match in enumerate(_FENCE.finditer(page.read_text("utf-8")))
    ]
    return [one for one in found if language in (None, one.language)]


def steps(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command with what is written below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected.rstrip("\n")


def as_script(text: str) -> str:
    """Join the commands into one script, so that `cd` and variables carry over."""
    lines = ["set -o pipefail"]
    for command, _ in steps(text):
        lines += ["printf '\\036'", f"{{ {runnable(command)}; }} 2>&1 || exit"]
    return "\n".join(lines)


def runnable(command: str) -> str:
    """Of `make` only the plan is run: the tests would start themselves."""
    return (
        command.replace("make ", f"make -C {shlex.quote(str(ROOT))} -n ", 1)
        if command.startswith("make ")
        else command
    )


def outputs(text: str, folder: Path, more: Mapping[str, str] | None = None) -> list[str]:
    """Run the commands of a fence one after the other in a folder; return what each printed."""
    # From nothing: what the developer has set must not show.
    environ = {
        "PATH": f"{quick_programs()}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        # Else what is run would leave a folder of workspaces below /var/tmp.
        "ATTRACTOR_WORKSPACES_DIR": str(folder),
        **(more or {}),
    }
    result = subprocess.run(
        ["bash", "-c", as_script(text)],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return [one.rstrip("\n") for one in result.stdout.split("\036")[1:]]


def matches(expected: str, printed: str) -> bool:
    """Compare with `...` standing for anything."""
    pattern = re.escape(expected).replace(r"\.\.\.", ".*")
    return re.fullmatch(pattern, printed, re.DOTALL) is not None
