"""A run on a full disk stops with a clear message, and resumes when there is space."""

import os
import resource
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.running import ATTRACTOR
from tests.counts import count
from tests.pipeline.projects import LINEAR, git, make_project

RUN = ("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none")


def attractor(
    project: Path, environ: Mapping[str, str], *words: str, largest: int = -1
) -> subprocess.CompletedProcess[str]:
    """Run a command with a limit for the size of each file it writes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    return subprocess.run(
        [ATTRACTOR, *words],
        cwd=project,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit if largest >= 0 else None,
    )


LIMITS = [2_500, 5_000, 1_500, 2_000, 3_000, 3_500, 4_000, 4_500, 5_500, 6_000]


@pytest.mark.crash
@pytest.mark.parametrize("largest", LIMITS[: count(ci=2, full=len(LIMITS))])
def test_run_on_a_full_disk_can_be_resumed_later(tmp_path: Path, largest: int) -> None:
    project = make_project(tmp_path / "project", LINEAR)
    environ = make_environ(tmp_path)
    met = attractor(project, environ, *RUN, largest=largest)
    [root] = (project / "runs").glob("0*")
    assert met.returncode == 3, met.stderr
    last = met.stderr.splitlines()[-1]
    assert last.startswith("error: cannot ")
    assert "File too large (raise the limit on file size (ulimit -f)" in last
    assert last.endswith(f"; continue with: attractor resume {root.name})")
    resumed = attractor(project, environ, "resume", "latest")
    assert resumed.returncode == 0, resumed.stderr
    assert git(project, "show", f"attractor/run/{root.name}:made.txt") == "made\n"


@pytest.mark.crash
def test_full_disk_before_the_start_creates_no_run(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", LINEAR)
    environ = make_environ(tmp_path)
    met = attractor(project, environ, *RUN, "--workspace", "none", largest=100)
    assert met.returncode == 3
    assert "File too large" in met.stderr.splitlines()[-1]
    assert list((project / "runs").glob("*")) in ([], [project / "runs" / ".gitignore"])
    assert attractor(project, environ, *RUN).returncode == 0


def make_environ(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "ATTRACTOR_STATE_DIR": str(tmp_path / "state"),
        "ATTRACTOR_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        # Python would leave half-written bytecode files.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
