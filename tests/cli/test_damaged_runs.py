"""External damage to a run is reported without further damage, and the repaired run resumes."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from attractor.base.hash_chain import verify_file
from tests.cli.git_desk import UNGUARDED, GitDesk, desk as desk, events, is_there
from tests.cli.running import ATTRACTOR
from tests.needs import require
from tests.patience import PATIENCE_S, wait_until
from tests.prepared import Process

ENDS = "start [shape=Mdiamond] exit [shape=Msquare]"
GATE = f"""digraph gate {{ {ENDS}
    plan [prompt="Plan"]
    ask  [shape=hexagon, label="Go on?"]
    make [shape=parallelogram, tool_command="echo made > made.txt"]
    start -> plan -> ask
    ask -> make [label="Yes"]
    make -> exit }}
"""
# The command waits for a file that only the test makes.
PATIENT = f"""digraph patient {{ {ENDS}
    plan [prompt="Plan"]
    wait [shape=parallelogram, tool_command="while ! test -e $HOME/go; do sleep 0.02; done"]
    start -> plan -> wait -> exit }}
"""
# At its first attempt the stage removes its own folder.
LOSE = "test -e $HOME/once || rm -rf $HOME/run/lose; touch $HOME/once"
LOSING = f"""digraph losing {{ {ENDS}
    lose [shape=parallelogram, tool_command="{LOSE}"]
    start -> lose -> exit }}
"""


def park(desk: GitDesk) -> Path:
    desk.make(GATE)
    root = desk.run("--interviewer", "park")
    assert json.loads((root / "run.json").read_text())["status"] == "awaiting_human"
    return root


def require_resume(desk: GitDesk) -> None:
    """Resume with automatic answers, and require a successful end."""
    done = desk.do("resume", "latest", "--interviewer", "auto_approve")
    assert done.returncode == 0, done.stderr
    [root] = desk.runs()
    assert json.loads((root / "final.json").read_text())["outcome"] == "success"
    assert verify_file(root / "events.jsonl").flaw is None


def require_refusal(desk: GitDesk, code: int, *words: str) -> None:
    """Require that a resume fails with this code and these words, and changes nothing."""
    [root] = desk.runs()
    before = recorded_events(root)
    done = desk.do("resume", "latest", "--interviewer", "auto_approve")
    assert done.returncode == code, done.stderr
    last = done.stderr.splitlines()[-1]
    assert all(word in last for word in words), last
    assert "Traceback" not in done.stderr
    assert recorded_events(root) == before


def recorded_events(root: Path) -> list[str]:
    """Return the events of a run, except the notes of each process that opened it."""
    lines = (root / "events.jsonl").read_text().splitlines()
    return [one for one in lines if '"StagesGuarded"' not in one]


def test_edited_records_are_detected_and_lost_ones_are_not_needed(desk: GitDesk) -> None:
    root = park(desk)
    for name, words, others in (
        ("checkpoint.json", '"next_node":"ask"', '"next_node":"exit"'),
        ("events.jsonl", "RunBranchWritten", "RunBranchMissing"),
    ):
        written = (root / name).read_text()
        assert words in written
        (root / name).write_text(written.replace(words, others))
        require_refusal(desk, 6, name)
        (root / name).write_text(written)
    (root / "checkpoint.json").unlink()
    shutil.rmtree(root / "plan")
    shutil.rmtree(root / "ask")
    require_resume(desk)
    assert not (root / "plan").exists()


def test_removed_folder_of_a_running_stage_stops_the_run(desk: GitDesk) -> None:
    desk.make(LOSING)
    root = desk.folder / "run"
    met = desk.do("run", "pipeline.dot", *UNGUARDED, "--run-dir", str(root))
    assert met.returncode == 3, met.stderr
    last = met.stderr.splitlines()[-1]
    assert last.startswith("error: cannot write")
    assert f"continue with: attractor resume {root}" in last
    assert not (root / "final.json").exists()
    done = desk.do("resume", str(root))
    assert done.returncode == 0, done.stderr


def read_only(desk: GitDesk, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a read-only view of a folder."""
    bubblewrap = require("bubblewrap")
    mounts = ["--dev-bind", "/", "/", "--ro-bind", str(folder), str(folder)]
    return subprocess.run(
        [bubblewrap, *mounts, ATTRACTOR, *words],
        cwd=desk.project,
        env=desk.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_read_only_runs_folder_is_reported_first(desk: GitDesk) -> None:
    desk.make(GATE)
    runs = desk.project / "runs"
    runs.mkdir()
    met = read_only(desk, runs, "run", "pipeline.dot", *UNGUARDED)
    assert met.returncode == 3, met.stderr
    last = met.stderr.splitlines()[-1]
    assert last.startswith("error: cannot make ")
    assert "Read-only file system" in last
    assert "choose another folder, or mount the file system writable" in last
    assert list(runs.iterdir()) == []
    desk.run("--interviewer", "park")
    require_resume(desk)


def test_read_only_run_directory_is_unchanged(desk: GitDesk) -> None:
    root = park(desk)
    before = {one: one.read_bytes() for one in root.rglob("*") if one.is_file()}
    met = read_only(desk, desk.project / "runs", "resume", "latest")
    assert met.returncode == 3, met.stderr
    assert "Read-only file system" in met.stderr.splitlines()[-1]
    assert {one: one.read_bytes() for one in root.rglob("*") if one.is_file()} == before
    require_resume(desk)


@pytest.mark.crash
def test_second_resume_waits_for_the_first(desk: GitDesk) -> None:
    desk.make(PATIENT)
    first = desk.begin("run", "pipeline.dot", *UNGUARDED)
    wait_until(lambda: any("wait" in begun(root) for root in desk.runs()))
    first.kill()
    first.wait(PATIENCE_S)
    both = [resuming(desk), resuming(desk)]
    wait_until(lambda: any(one.poll() is not None for one in both))
    [holder] = [one for one in both if one.poll() is None]
    [other] = [one for one in both if one is not holder]
    assert other.returncode == 4
    assert other.stderr
    words = other.stderr.read()
    assert f"process {holder.pid}" in words.splitlines()[-1]
    [root] = desk.runs()
    wait_until(lambda: begun(root).count("wait") == 2)
    # After the holder is killed, a resume needs no waiting and no clean-up.
    holder.kill()
    holder.wait(PATIENCE_S)
    (desk.folder / "go").touch()
    done = desk.do("resume", "latest")
    assert done.returncode == 0, done.stderr
    assert begun(root) == ["start", "plan", "wait", "wait", "wait"]
    assert verify_file(root / "events.jsonl").flaw is None


def begun(root: Path) -> list[str]:
    """Return the nodes of the started stages, in order."""
    if not (root / "events.jsonl").exists():
        return []
    return [one["node"] for one in events(root, "StageStarted")]


def resuming(desk: GitDesk) -> Process:
    return desk.begin("resume", "latest", stderr=subprocess.PIPE)


# The first attempt ignores SIGTERM; the second attempt only writes its name.
STUBBORN = (
    "echo {name} >> {name}.txt; test -e $HOME/{name}.pid || "
    "{{ trap '' TERM; sleep 600 & echo $! $$ > $HOME/{name}.pid; wait; }}"
)
BRANCHES = f"""digraph branches {{ {ENDS}
    fan  [shape=component]
    a    [shape=parallelogram, tool_command="{STUBBORN.format(name="a")}"]
    b    [shape=parallelogram, tool_command="{STUBBORN.format(name="b")}"]
    join [shape=tripleoctagon, merge="all"]
    start -> fan
    fan -> a -> join
    fan -> b -> join
    join -> exit }}
"""


@pytest.mark.crash
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_interrupted_branches_leave_no_process_and_resume(
    desk: GitDesk, number: signal.Signals
) -> None:
    desk.make(BRANCHES)
    process = desk.begin("run", "pipeline.dot", *UNGUARDED)
    files = [desk.folder / "a.pid", desk.folder / "b.pid"]
    wait_until(lambda: all(one.exists() and len(one.read_text().split()) == 2 for one in files))
    pids = [pid for one in files for pid in one.read_text().split()]
    assert all(is_there(pid) for pid in pids)
    os.kill(process.pid, number)
    assert process.wait(PATIENCE_S) == 130
    wait_until(lambda: not any(is_there(pid) for pid in pids))
    done = desk.do("resume", "latest")
    assert done.returncode == 0, done.stderr
    # The edits of the first attempt were moved to a patch in each workspace.
    [root] = desk.runs()
    show = ["git", "show", f"attractor/run/{root.name}:a.txt", f"attractor/run/{root.name}:b.txt"]
    shown = subprocess.run(
        show, cwd=desk.project, capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert shown.stdout == "a\nb\n"


def test_shortened_journal_does_not_undo_cancel(desk: GitDesk) -> None:
    root = park(desk)
    lines = (root / "events.jsonl").read_bytes()
    assert desk.do("cancel", "latest").returncode == 0
    (root / "events.jsonl").write_bytes(lines)
    for copy in ("checkpoint.json", "run.json", "final.json"):
        (root / copy).unlink()
    require_refusal(desk, 6, "events.jsonl is incomplete", "restore it from a backup")
