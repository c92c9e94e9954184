"""Reads the shell examples in the documentation and runs them.

The fences of a page run from top to bottom in one shell and one folder:

- `console` has commands after `$ `, each followed by its output; `...` matches any text, in a line
  or as a line of its own.
- `console title="another terminal"` runs in the background until the end of the page.
- `console title="at a terminal"` reads `y` from a terminal.
- `console title="with the network"` is not run.
- Any other language with a title is a file of that name, written at its place in the page.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port
from tests.prepared import quick_programs

ROOT = Path(__file__).parent.parent
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = sorted(
    file
    for pattern in ("*.md", "pipelines/README.md", "attractor/*/README.md", "docs/**/*.md")
    for file in ROOT.glob(pattern)
)
HOW_TO = ROOT / "docs" / "how-to"
TUTORIAL = ROOT / "docs" / "tutorial"
# Pages that go on where another one ends.
NEXT_PAGES = {TUTORIAL / "agents-that-stay.md": [TUTORIAL / "judge-agents.md"]}
# Their examples need a project with runs, or a server.
SITUATED = [
    HOW_TO / f"{name}.md"
    for name in (
        "decide-and-promote",
        "free-space",
        "queue-promotions",
        "run-over-http",
        "stop-and-resume",
        "watch-a-run",
        "watch-in-a-browser",
    )
]
# Their examples need a toolchain.
LANGUAGES = [HOW_TO / f"{name}.md" for name in ("go", "java", "javascript", "rust")]
BESIDE = "another terminal"
TYPED = "at a terminal"
NETWORK = "with the network"
_FENCE = re.compile(r'^ *```(\w*)(?: title="([^"]*)")?[^\n]*\n(.*?)^ *```$', re.M | re.S)
# Background jobs also end after a failure.
_BEFORE = """set -o pipefail
trap 'for one in $(jobs -p); do kill -INT -- -$one; done' EXIT"""
_CHANGING = re.compile(r"\b(\d\d:\d\d:\d\d|01[0-9A-HJKMNP-TV-Z]{24})\b")
_PORT = re.compile(r"\b84[2-9]\d\b")


@dataclass(frozen=True)
class Fence:
    """One fenced block of a page."""

    page: Path
    number: int
    language: str
    title: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}-{self.number}"


def fences(language: str | None = None, *, page: Path | None = None) -> list[Fence]:
    found = [
        Fence(one, number, match[1], match[2] or "", match[3])
        for one in ([page] if page else PAGES)
        for number, match in enumerate(_FENCE.finditer(one.read_text("utf-8")))
    ]
    return [one for one in found if language in (None, one.language)]


def steps(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command with its expected output."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        while command.endswith("\\"):
            more, _, expected = expected.partition("\n")
            command += f"\n{more}"
        yield command, expected.rstrip("\n")


def play(
    page: Path,
    folder: Path,
    more: Mapping[str, str] | None = None,
    *,
    next_pages: Sequence[Path] = (),
) -> None:
    """Run all examples of a page, and of those after it; compare their output with the pages."""
    written = [one for each in (page, *next_pages) for one in fences(page=each)]
    story = [one for one in written if one.title != NETWORK]
    # A server without a port option listens at 8420.
    ports = {port: str(free_port()) for one in story for port in ["8420", *_PORT.findall(one.text)]}
    found = [(one, _PORT.sub(lambda port: ports[port[0]], one.text)) for one in story]
    lines: list[str] = []
    wanted: list[tuple[str, str]] = []
    beside: list[tuple[str, str]] = []
    for fence, text in found:
        if fence.language == "console" and fence.title == BESIDE:
            [(command, expected)] = steps(text)
            lines += _begin(re.sub("serve$", f"serve --port {ports['8420']}", command), len(beside))
            beside += [(command, expected)]
        elif fence.language == "console":
            typed = '< "$TERMINAL"' if fence.title == TYPED else ""
            lines += [line for command, _ in steps(text) for line in _run(command, typed)]
            wanted += steps(text)
        elif fence.title:
            lines += _write(fence.title, text)
    lines += [line for number in range(len(beside)) for line in _end(number)]
    printed = _shell(lines, folder, more)
    for (command, expected), output in zip([*wanted, *beside], printed, strict=True):
        assert not expected or matches(expected, output), (command, output)


def outputs(text: str, folder: Path, more: Mapping[str, str] | None = None) -> list[str]:
    """Run commands one after the other in a folder; return the output of each."""
    return _shell([line for command, _ in steps(text) for line in _run(command)], folder, more)


def runnable(command: str) -> str:
    """Return the command, but `make` as a dry run: the tests would start themselves."""
    return (
        command.replace("make ", f"make -C {shlex.quote(str(ROOT))} -n ", 1)
        if command.startswith("make ")
        else command
    )


def matches(expected: str, printed: str) -> bool:
    """Compare texts: `...` matches any text, and a time or a run id matches any other one."""
    pattern = re.escape(_CHANGING.sub("...", expected)).replace(r"\.\.\.", ".*")
    return re.fullmatch(pattern, printed, re.DOTALL) is not None


def _run(command: str, typed: str = "") -> Iterable[str]:
    yield "printf '\\036'"
    yield f"{{ {runnable(command)}\n}} 2>&1 {typed} || exit"
    if command.startswith("kill -9 "):
        # A killed process needs a moment to end; a person types more slowly.
        yield "sleep 1"


def _begin(command: str, number: int) -> Iterable[str]:
    """Start a background job that Ctrl-C can end, and wait for its first output."""
    file = f'"$BESIDE.{number}"'
    yield "set -m"
    yield f"{{ {command}\n}} > {file} 2>&1 &"
    yield f"beside{number}=$!; until [ -s {file} ]; do sleep 0.02; kill -0 $! || exit; done"
    yield "set +m"


def _end(number: int) -> Iterable[str]:
    yield f"kill -INT -- -$beside{number}; wait $beside{number}"
    yield f"printf '\\036'; cat \"$BESIDE.{number}\""


def _write(name: str, text: str) -> Iterable[str]:
    yield f"mkdir -p $(dirname {name}) && cat > {name} <<'END OF FILE'\n{text}END OF FILE"
    if text.startswith("#!"):
        yield f"chmod +x {name}"


def path_of_programs() -> str:
    """Return the folders in which the commands of pages are found."""
    return f"{quick_programs()}:{Path(sys.executable).parent}:{os.environ['PATH']}"


def _shell(lines: Iterable[str], folder: Path, more: Mapping[str, str] | None) -> list[str]:
    # Without the variables of the developer, which must not appear in the output.
    environ = {
        "PATH": path_of_programs(),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "BESIDE": f"{folder}.beside",
        # Otherwise the commands would leave a folder of workspaces below /var/tmp.
        "ATTRACTOR_WORKSPACES_DIR": str(folder),
        **(more or {}),
    }
    person, terminal = os.openpty()
    os.write(person, b"y\n" * 9)
    result = subprocess.run(
        ["bash", "-c", "\n".join([_BEFORE, *lines, "true"])],
        cwd=folder,
        env=environ | {"TERMINAL": os.ttyname(terminal)},
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(terminal)
    os.close(person)
    assert result.returncode == 0, result.stdout + result.stderr
    return [one.rstrip("\n") for one in result.stdout.split("\036")[1:]]
