"""Runs the real program, in a folder and with variables of the test's own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

NO_HOME = Path("/nonexistent")
ROOT = Path(__file__).parent.parent.parent
ATTRACTOR = str(Path(sys.executable).parent / "attractor")


def attractor(
    *words: str,
    folder: Path = ROOT,
    copy: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the program: the installed one, or a copy of the package in a folder."""
    program = [sys.executable, "-m", "attractor"] if copy else [ATTRACTOR]
    environ = {"PATH": os.environ["PATH"], "HOME": str(NO_HOME), "LANG": "C.UTF-8"}
    return subprocess.run(
        [*program, *words],
        cwd=copy or folder,
        env=environ | dict(variables or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def copied_package(folder: Path, **commands: str) -> Path:
    """Copy the package and add a file for each command."""
    shutil.copytree(ROOT / "attractor", folder / "attractor")
    for name, text in commands.items():
        (folder / "attractor" / "cli" / "commands" / f"{name}.py").write_text(text)
    return folder
