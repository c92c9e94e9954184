"""Processes left by a killed run process are killed before a stage is repeated."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from attractor.environments.orphan_processes import can_find_orphans, find_process
from tests.cli.git_desk import UNGUARDED, GitDesk, events
from tests.patience import PATIENCE_S, wait_until

pytestmark = [pytest.mark.skipif(not can_find_orphans(), reason="no /proc"), pytest.mark.crash]

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
# Each attempt reports if the previous attempt still runs. From the second attempt on, it ends at
# once.
WORK = """
echo begun >> notes.txt
for other in $(cat OUT/pids 2>/dev/null); do
    state=$(cut -d" " -f3 /proc/$other/stat 2>/dev/null)
    case "$state" in Z | X | "") ;; *) touch OUT/both ;; esac
done
echo $$ >> OUT/pids
[ -e OUT/go ] || sleep 1000
"""
TOOL = f'work [shape=parallelogram, tool_command="sh OUT/work.sh"]; {ENDS}'
PLAIN = f"digraph plain {{ {TOOL}; start -> work -> exit }}"
PARENT = (
    f'digraph parent {{ {ENDS}; inner [type=pipeline, file="plain.dot"]; start -> inner -> exit }}'
)
BRANCHES = f"""digraph branches {{ {TOOL}
    fan [shape=component]; meet [shape=tripleoctagon]
    other [shape=parallelogram, tool_command="true"]
    start -> fan -> work -> meet; fan -> other -> meet -> exit }}
"""
SETUP = f"""digraph setup {{ {ENDS}
    work [shape=parallelogram, tool_command="true"]; start -> work -> exit }}
"""


class KilledRun:
    """A run that is killed while its stage keeps running."""

    def __init__(self, desk: GitDesk) -> None:
        self.desk = desk
        self.out = desk.folder

    def make(self, pipeline: str, **files: str) -> None:
        (self.out / "work.sh").write_text(self._in_place(WORK))
        texts = {name: self._in_place(text) for name, text in files.items()}
        self.desk.make(self._in_place(pipeline), **texts)

    def begin_and_kill(self, *words: str) -> list[int]:
        """Run until the stage is running, kill the run process, and return the processes left.

        The guardian is killed first, as on a machine without free memory.
        """
        process = self.desk.begin("run", "pipeline.dot", *UNGUARDED, *words)
        wait_until(lambda: self.pids)
        kill_guardian(process.pid)
        process.kill()
        process.wait(PATIENCE_S)
        assert all(self.alive)
        return self.pids

    def resume(self) -> str:
        (self.out / "go").touch()
        done = self.desk.do("resume", "latest", "--no-evaluate")
        assert done.returncode == 0, done.stderr
        return done.stderr

    @property
    def root(self) -> Path:
        return self.desk.runs()[-1]

    @property
    def pids(self) -> list[int]:
        file = self.out / "pids"
        return [int(one) for one in file.read_text().split()] if file.exists() else []

    @property
    def alive(self) -> list[bool]:
        return [find_process(one) is not None for one in self.pids]

    @property
    def ran_together(self) -> bool:
        """Whether two attempts ran at the same time."""
        return (self.out / "both").exists()

    def end(self) -> None:
        for pid in self.pids:
            if find_process(pid):
                os.kill(pid, 9)

    def _in_place(self, text: str) -> str:
        return text.replace("OUT", str(self.out))


def kill_guardian(runner: int) -> None:
    children = Path(f"/proc/{runner}/task/{runner}/children").read_text().split()
    [guardian] = [one for one in children if "dismissed" in command_line(one)]
    os.kill(int(guardian), 9)


def command_line(pid: str) -> str:
    """The command line of a process; of a child that ended meanwhile, nothing."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[KilledRun]:
    desk = GitDesk(tmp_path)
    scene = KilledRun(desk)
    yield scene
    desk.end()
    scene.end()


@pytest.mark.parametrize(
    ("pipeline", "files"),
    [
        (PLAIN, {}),
        (PARENT, {"plain.dot": PLAIN}),
        (BRANCHES, {}),
        (SETUP, {"attractor.toml": '[workspace]\nsetup = "sh OUT/work.sh"\n'}),
    ],
    ids=["stage", "child", "branch", "setup"],
)
def test_repeated_stage_never_runs_twice_at_once(
    scene: KilledRun, pipeline: str, files: dict[str, str]
) -> None:
    scene.make(pipeline, **files)
    [first] = scene.begin_and_kill()
    found = scene.resume()
    assert len(scene.pids) == 2
    assert (scene.ran_together, scene.alive) == (False, [False, False])
    [ended] = events(scene.root, "LeftRunningEnded")
    assert {"pid": first, "name": "sh"} in ended["data"]["processes"]
    assert ended["data"]["count"] == len(ended["data"]["processes"]) >= 2
    assert "killed processes that the previous process of the run had left: " in found
    assert f"sh ({first})" in found


def test_resume_without_left_processes_reports_none(scene: KilledRun) -> None:
    scene.make(PLAIN)
    [first] = scene.begin_and_kill()
    scene.end()
    wait_until(lambda: not any(scene.alive))
    # The shell has ended; its child is an orphan now, and still has its mark.
    found = scene.resume()
    assert f"({first})" not in found
    root = scene.root
    assert len(events(root, "LeftRunningEnded")) == 1


def test_cancel_kills_processes_left_by_a_killed_run(scene: KilledRun) -> None:
    scene.make(PLAIN)
    [first] = scene.begin_and_kill()
    done = scene.desk.do("cancel", "latest")
    assert f"canceled; ended the processes that the run left running: sh ({first})" in done.stdout
    assert scene.alive == [False]
    lines = (scene.root / "events.jsonl").read_text().splitlines()
    kinds = [json.loads(one)["type"] for one in lines]
    assert kinds.index("LeftRunningEnded") < kinds.index("PipelineFailed")


@pytest.mark.parametrize("command", ["fork", "rewind"])
def test_rewind_kills_processes_in_the_same_folder(scene: KilledRun, command: str) -> None:
    scene.make(PLAIN)
    [first] = scene.begin_and_kill("--workspace", "none")
    old = scene.root
    (scene.out / "go").touch()
    done = scene.desk.do(command, "latest", "work", "--no-evaluate")
    assert done.returncode == 0, done.stderr
    assert (scene.ran_together, scene.alive) == (False, [False, False])
    [ended] = events(old, "LeftRunningEnded")
    assert {"pid": first, "name": "sh"} in ended["data"]["processes"]
    assert f"sh ({first})" in done.stderr


def test_gc_kills_left_processes_and_keeps_records(scene: KilledRun) -> None:
    scene.make(PLAIN)
    [first] = scene.begin_and_kill()
    before = (scene.root / "events.jsonl").read_bytes()
    dry = scene.desk.json("gc", "--dry-run")["ended"]
    assert ({"run_id": scene.root.name, "pid": first, "name": "sh"} in dry, scene.alive) == (
        True,
        [True],
    )
    output = scene.desk.do("gc").stdout
    assert (
        f"{scene.root.name}  ended: processes left by a killed run process: sh ({first})" in output
    )
    assert (scene.alive, scene.desk.json("gc")["ended"]) == ([False], [])
    assert (scene.root / "events.jsonl").read_bytes() == before


def test_gc_ignores_runs_of_another_state_folder(scene: KilledRun, tmp_path: Path) -> None:
    scene.make(PLAIN)
    scene.begin_and_kill()
    (tmp_path / "elsewhere").mkdir()
    other = GitDesk(tmp_path / "elsewhere")
    other.make(PLAIN)
    assert other.json("gc")["ended"] == []
    assert scene.alive == [True]
