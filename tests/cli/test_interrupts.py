"""A run ended by Ctrl-C, kill or a closed terminal leaves no process, and can be resumed."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.base.running import command_lines
from tests.counts import count
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git, make_project
from tests.prepared import Process, begin_prepared, run_prepared

# The unusual duration identifies the processes of a stage.
SLEEP = f"sleep 6{os.getpid()}.5"
# The ignored file is kept when the stage is interrupted, so that its second attempt does not sleep.
COMMAND = f"test -e once.log || {{ touch once.log; trap '' TERM; {SLEEP} & {SLEEP}; }}"
SLOW = f"""digraph slow {{
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    first [shape=parallelogram, tool_command="echo first >> done.txt"]
    slow  [shape=parallelogram, tool_command="echo slow >> done.txt; {COMMAND}"]
    start -> first -> slow -> exit
}}
"""


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    yield {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "ATTRACTOR_STATE_DIR": str(tmp_path / "state"),
        "ATTRACTOR_WORKSPACES_DIR": str(tmp_path / "workspaces"),
    }
    assert sleepers() == []


def sleepers() -> list[str]:
    """Return the running processes that a stage began."""
    return [SLEEP for words in command_lines().values() if " ".join(words) == SLEEP]


def begin(project: Path, environ: Mapping[str, str], sandbox: str) -> Process:
    """Start a run in its own process group, as a terminal does."""
    words = ["run", "pipeline.dot", "--backend", "simulate", "--sandbox", sandbox]
    pipe = subprocess.PIPE
    return begin_prepared(
        words, folder=project, variables=environ, stdout=pipe, stderr=pipe, leads=True
    )


def attractor(project: Path, environ: Mapping[str, str], *words: str) -> str:
    ended = run_prepared(words, folder=project, variables=environ)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def status_of(project: Path, environ: Mapping[str, str]) -> dict[str, object]:
    return json.loads(attractor(project, environ, "status", "--json"))


INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
WAYS = [
    ("none", [INT]),
    ("auto", [INT, INT]),
    ("none", [TERM, TERM, TERM]),
    ("none", [HUP]),
    ("none", [INT, INT]),
    ("auto", [INT]),
    ("auto", [TERM, HUP, INT]),
    ("auto", [HUP]),
]


@pytest.mark.crash
@pytest.mark.parametrize(("sandbox", "signals"), WAYS[: count(ci=3, full=len(WAYS))])
def test_interrupted_run_leaves_no_process_and_can_be_resumed(
    tmp_path: Path, environ: dict[str, str], sandbox: str, signals: list[signal.Signals]
) -> None:
    project = make_project(tmp_path / "project", SLOW, **{".gitignore": "*.log\n"})
    process = begin(project, environ, sandbox)
    try:
        wait_until(lambda: len(sleepers()) == 2 or process.poll() is not None)
        live = status_of(project, environ)
        assert (live["live"], live["stopped"], live["stage"]) == (True, False, "slow")
        for number in signals:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            time.sleep(0.1)
        process.wait(PATIENCE_S)
        assert process.stdout
        assert process.stderr
        with process.stdout, process.stderr:
            out, err = process.stdout.read(), process.stderr.read()
    finally:
        process.kill()
        process.wait(PATIENCE_S)
    assert (process.returncode, out) == (130, "")
    run_id = str(live["run_id"])
    kept = f"the run is stored in {project / 'runs' / run_id}"
    go_on = f"continue with: attractor resume {run_id}"
    assert err.splitlines()[-1] == f"error: interrupted ({kept}; {go_on})"
    assert "Traceback" not in err
    wait_until(lambda: not sleepers())
    dead = status_of(project, environ)
    assert (dead["live"], dead["stopped"], dead["status"]) == (False, True, "executing")
    assert dead["stage"] == "slow"
    output = attractor(project, environ, "status")
    assert re.search(r"^stopped +in stage slow at 20", output, re.M)
    assert f"attractor resume {run_id}" in output
    assert re.search(r"needs you \((dead process|stopped)\)", attractor(project, environ, "runs"))
    attractor(project, environ, "resume", run_id)
    branch = f"attractor/run/{run_id}"
    assert git(project, "show", f"{branch}:done.txt") == "first\nslow\n"
    ended = status_of(project, environ)
    assert (ended["outcome"], ended["stopped"]) == ("success", False)
