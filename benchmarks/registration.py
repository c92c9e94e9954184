"""Time to register the suite of the demo with wrong solutions and references, and without."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, Row
from benchmarks.folders import Folders

ROOT = Path(__file__).parents[1]
WRONG, PAIRS, LIMIT = 8, 5, 4.0
ATTRACTOR = str(Path(sys.executable).parent / "attractor")
ANOTHER = """
[[wrong]]
id = "another-{number}"
on = ""
noticed_by = ["numbers-stay"]
"""


def rows() -> Iterator[Row]:
    """Register two copies of the suite in turn; one has 8 wrong solutions, and references."""
    with Folders() as folders:
        folder = folders.new()
        project = _project(folder)
        pairs = [
            (
                _register(folder, project, f"plain-{turn}", measured=False),
                _register(folder, project, f"measured-{turn}", measured=True),
            )
            for turn in range(PAIRS)
        ]
    name = f"register the demo's suite with {WRONG} wrong solutions and references / without"
    yield Figure.paired(name, pairs, LIMIT)


def _register(folder: Path, project: Path, name: str, *, measured: bool) -> float:
    """Copy the suite, and return the seconds of its registration."""
    suite = project / "scenarios" / name
    shutil.copytree(ROOT / "scenarios" / "todo", suite)
    text, *own = re.split(r"(?=\n\[\[wrong\]\])", (suite / "suite.toml").read_text())
    if measured:
        patches = sorted((suite / "wrong").iterdir())
        for number in range(WRONG - len(own)):
            shutil.copy(patches[number % len(patches)], suite / "wrong" / f"another-{number}.patch")
            own.append(ANOTHER.format(number=number))
        text += "".join(own)
    else:
        shutil.rmtree(suite / "wrong")
        shutil.rmtree(suite / "reference")
    (suite / "suite.toml").write_text(text.replace('name = "todo"', f'name = "{name}"', 1))
    began = time.monotonic()
    _do([ATTRACTOR, "suite", "register", f"scenarios/{name}"], folder, project)
    return time.monotonic() - began


def _project(folder: Path) -> Path:
    project = folder / "project"
    shutil.copytree(ROOT / "examples" / "todo", project)
    shutil.copytree(ROOT / "scenarios" / "_twins", project / "scenarios" / "_twins")
    for words in ("init -q -b main", "add .", "commit -q -m Begin"):
        _do(["git", *words.split()], folder, project)
    return project


def _do(command: list[str], folder: Path, project: Path) -> None:
    names = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
    environ = {**os.environ, **dict.fromkeys(names, "ann"), "HOME": str(folder)}
    environ |= {"ATTRACTOR_STATE_DIR": str(folder / "state")}
    done = subprocess.run(
        command, cwd=project, env=environ, capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
