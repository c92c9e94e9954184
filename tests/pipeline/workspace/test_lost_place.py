"""A run in a place is killed, its place is gone for a while, or the connection is cut."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event, Thread

from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.result import RunResult
from attractor.language.diagnostics import NotRunnable
from attractor.pipeline.execute import resume
from attractor.pipeline.project.project import Project
from attractor.records.lookup import find_run
from attractor.records.request import RunRequest
from tests.cli.running import attractor
from tests.counts import count
from tests.environments.remotes import Server, server, ssh_server, sshd
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git, make_project, open_project, simulated, start
from tests.pipeline.workspace.test_place import place_of
from tests.prepared import begin_prepared

__all__ = ["server"]

PIPELINE = """
digraph changes {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    first [shape=parallelogram, tool_command="echo 1 > one; mkdir build; echo kept > build/kept"]
    make  [shape=parallelogram, tool_command="sh DIARY/work.sh"]
    last  [shape=parallelogram, tool_command="cat one build/kept made/file > all"]
    start -> first -> make -> last -> exit
}
"""
# The first attempt leaves half a file, and a process that the end of a connection does not end.
WORK = """
echo start >> DIARY/said
[ ! -e half ] || echo half >> DIARY/said
if [ ! -e DIARY/left ]; then
    echo half > half
    setsid sh -c 'trap "" TERM HUP; echo $$ > DIARY/pid; mv DIARY/pid DIARY/left; sleep 1000' &
    sleep 1000
fi
case $(cut -d ' ' -f 3 /proc/$(cat DIARY/left)/stat) in [!ZX]*) echo twice >> DIARY/said ;; esac
mkdir made
echo whole > made/file
rm readme.txt
"""
WHOLE = {".gitignore", "all", "attractor.toml", "made/file", "one", "pipeline.dot"}


@dataclass(frozen=True)
class PlacedProject:
    """A project whose settings name the place `box`; its stages write into a diary."""

    folder: Path
    variables: dict[str, str]

    @property
    def diary(self) -> Path:
        return self.folder.parent

    def call(self, *words: str) -> tuple[int, str]:
        done = attractor(*words, folder=self.folder, variables=self.variables)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    @property
    def names(self) -> set[str]:
        run_id = json.loads(self.call("status", "--json")[1])["run_id"]
        tree = git(self.folder, "ls-tree", "-r", "--name-only", f"attractor/run/{run_id}")
        return {*tree.split()}


def placed_project(
    tmp_path: Path, server: Server, work: str = WORK, more: Sequence[str] = ()
) -> PlacedProject:
    place = {"host": server.host, "root": f"{tmp_path}/there"}
    lines = [f"{name} = {json.dumps(one)}" for name, one in place.items()]
    lines.append(f"options = {json.dumps([*server.options, *more])}")
    folder = make_project(
        tmp_path / "project",
        PIPELINE.replace("DIARY", str(tmp_path)),
        **{
            "attractor.toml": "\n".join(["[places.box]", *lines, ""]),
            ".gitignore": "build/\nruns/\n",
        },
    )
    (tmp_path / "work.sh").write_text(work.replace("DIARY", str(tmp_path)))
    return PlacedProject(folder, {"ATTRACTOR_STATE_DIR": str(tmp_path / "state")})


RUN = ("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none", "--place", "box")


def test_killed_run_goes_on_when_its_place_is_there_with_its_own_key(tmp_path: Path) -> None:
    (keys := tmp_path / "sshd").mkdir()
    with ssh_server(keys) as server:
        # Not even a person who accepts each key accepts another one.
        project = placed_project(tmp_path, server, more=["-oStrictHostKeyChecking=no"])
        variables = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **project.variables}
        run = begin_prepared(RUN, folder=project.folder, variables=variables)
        wait_until((tmp_path / "left").exists)
        run.kill()
        run.wait(PATIENCE_S)
    code, said = project.call("resume", "latest")
    assert (code, "cannot connect to 127.0.0.1" in said) == (2, True), said
    assert "ssh 127.0.0.1 true" in said
    for file in ("host", "host.pub"):
        (keys / file).rename(keys / f"own-{file}")
    subprocess.run(["ssh-keygen", "-qtrsa", "-N", "", "-f", keys / "host"], check=True)
    with sshd(keys):
        code, said = project.call("resume", "latest")
    assert (code, "127.0.0.1: it has another key than before" in said) == (2, True), said
    assert f"ssh-keygen -f {keys / 'known'} -R " in said.replace('"', "")
    for file in ("host", "host.pub"):
        (keys / f"own-{file}").rename(keys / file)
    with sshd(keys):
        code, said = project.call("resume", "latest")
    assert (code, project.names) == (0, WHOLE), said
    assert (project.diary / "said").read_text().split() == ["start"] * 2


MANY = """
set -e
[ ! -e half ]
echo half > half
mkdir made
for one in 1 2 3 4 5 6 7 8 9; do echo $one > made/$one; done
sleep 0.5
rm half readme.txt
echo whole > made/file
ln -s file made/link
"""
Cut = Callable[[Path], Iterable[int]]


def own_programs(_keys: Path | None = None) -> Iterable[int]:
    """Return the ssh programs of this process."""
    return [one for one in children(os.getpid()) if text_of(one, "comm") == "ssh\n"]


def their_connections(keys: Path) -> Iterable[int]:
    """Return the processes with which the server serves connections."""
    return children(int((keys / "pid").read_text()))


def children(number: int) -> list[int]:
    return [*map(int, text_of(number, f"task/{number}/children").split())]


def text_of(number: int, name: str) -> str:
    with suppress(OSError):
        return Path(f"/proc/{number}/{name}").read_text()
    return ""


class Scissors:
    """Counts the ssh programs of this process, and cuts the connection after some of them."""

    def __init__(self, after: int, cut: Callable[[], Iterable[int]]) -> None:
        self._after, self._cut = after, cut
        self._seen, self._ended = set[int](), Event()
        self.killed: list[int] = []

    @property
    def seen(self) -> int:
        return len(self._seen)

    def _watch(self) -> None:
        while not self._ended.wait(0.003):
            self._seen.update(own_programs())
            if self._after and self.seen >= self._after and not self.killed:
                self.killed = [*self._cut()]
                for one in self.killed:
                    os.kill(one, signal.SIGKILL)

    def __enter__(self) -> "Scissors":
        self._thread = Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def begun(opened: Project, request: RunRequest) -> RunResult | None:
    """Return the result of a run; None if its place was lost before it began."""
    try:
        return asyncio.run(start(request, opened))
    except NotRunnable as refused:
        if refused.is_not_now and "--place box" in str(refused):
            return None
        raise


def tree_of(opened: Project, result: RunResult) -> str:
    assert result.outcome is StageStatus.SUCCESS, result.reason
    return git(opened.root, "rev-parse", f"attractor/run/{result.run_id}^{{tree}}")


def test_cut_connection_never_changes_the_result(tmp_path: Path) -> None:
    (keys := tmp_path / "sshd").mkdir()
    with ssh_server(keys) as server:
        project = placed_project(tmp_path, server, MANY)
        opened = replace(
            open_project(project.folder), places={"box": place_of(server, tmp_path / "there")}
        )
        request = simulated(project.folder, place="box")
        with Scissors(0, list) as uncut:
            whole = tree_of(opened, asyncio.run(start(request, opened)))
        cuts, cases = [own_programs, their_connections], count(ci=3, full=20)
        for case in range(cases):
            cut, after = cuts[case % 2], 1 + (uncut.seen - 2) * case // cases
            with Scissors(after, partial(cut, keys)) as scissors:
                result = begun(opened, request) or begun(opened, request)
            assert result
            if result.outcome is None:
                result = asyncio.run(resume(find_run("latest", opened.runs_dir), opened))
            assert scissors.killed
            assert tree_of(opened, result) == whole


def test_gc_removes_the_folder_of_a_run_when_it_can_reach_the_place(tmp_path: Path) -> None:
    (keys := tmp_path / "sshd").mkdir()
    there, records = tmp_path / "there", tmp_path / "state" / "places"
    with ssh_server(keys) as server:
        project = placed_project(tmp_path, server, MANY)
        runs = [project.call(*RUN)[0] for _ in range(2)]
        assert (runs, len([*records.iterdir()]), len([*there.glob("*/*/*")])) == ([0, 0], 2, 2)
        project.call("cancel", "latest")
        [project_there] = there.iterdir()
        (project_there / "of a person").touch()
        code, said = project.call("gc", "--older-than", "0s", "--dry-run")
        assert (code, said.count("folder in a place")) == (0, 1), said
    code, said = project.call("gc", "--older-than", "0s")
    assert (code, "its files are left in the place box (127.0.0.1:" in said) == (0, True), said
    assert len([*records.iterdir()]) == 2
    with sshd(keys):
        code, said = project.call("gc", "--older-than", "0s")
        assert (code, "folder in a place" in said) == (0, True), said
    assert (len([*records.iterdir()]), len([*there.glob("*/*/*")])) == (1, 1)
    assert (project_there / "of a person").exists()


def test_gc_removes_the_folder_of_a_removed_dimension(tmp_path: Path, server: Server) -> None:
    project, there = placed_project(tmp_path, server, MANY), tmp_path / "there"

    def freed(*words: str) -> list[tuple[str, str]]:
        code, said = project.call("gc", "--older-than", "0s", "--json", *words)
        assert code == 0, said
        found = json.loads(said)["freed"]
        return [(one["run_id"], one["path"]) for one in found if "place" in one["what"]]

    for name in ("one", "two"):
        assert project.call("dimension", "add", name)[0] == 0
        code, said = project.call(*RUN, "--workspace", name)
        assert code == 0, said
    assert freed() == []
    code, said = project.call("dimension", "remove", "one", "--force")
    assert code == 0, said
    code, said = project.call("gc", "--dry-run")
    assert "kept one: the dimension was removed, less than 7d ago" in said, said
    [(name, path)] = freed("--dry-run")
    [at] = there.glob("*/one")
    assert (name, path) == ("one", f"box ({server.host}:{at})")
    code, said = project.call("gc", "--older-than", "0s", "--dry-run")
    assert "folder in a place (the dimension was removed)" in said, said
    assert freed() == [("one", path)]
    assert [one.name for one in there.glob("*/*") if one.name in ("one", "two")] == ["two"]
    assert freed() == []
