"""Runs whose stages work in a place, by a real SSH server on this machine."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.config.settings import BackendsSettings, PlaceSettings, ProgramSettings
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.environments.environment import Promises
from attractor.language.diagnostics import NotRunnable
from attractor.pipeline.execute import resume
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.place import check_place
from attractor.records.lookup import find_run
from tests.environments.remotes import Server, server, ssh_server
from tests.pipeline.projects import adjusted, git, make_project, open_project, simulated, start
from tests.tables import table

__all__ = ["server"]
CHANGES = r"""
digraph changes {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    make  [shape=parallelogram, tool_command="COMMAND"]
    again [shape=parallelogram, tool_command="cat build/kept && cat made/new > made/copy"]
    start -> make -> again -> exit
}
"""
COMMANDS = " && ".join(
    [
        "rm readme.txt",
        "mkdir -p made build",
        "echo new > made/new",
        "echo run > made/run",
        "chmod +x made/run",
        "ln -s new made/link",
        "ln made/run made/second",
        "echo kept > build/kept",
        "pwd",
        "env",
    ]
)


def place_of(server: Server, root: Path) -> PlaceSettings:
    return PlaceSettings(host=server.host, root=str(root), options=tuple(server.options))


def run_in(opened: Project, place: str, **more: object) -> RunResult:
    return asyncio.run(start(replace(simulated(opened.root, place=place), **more), opened))


def project_with(tmp_path: Path, server: Server, command: str = COMMANDS) -> Project:
    root = make_project(tmp_path / "project", CHANGES.replace("COMMAND", command))
    (root / ".gitignore").write_text("build/\n")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "ignore")
    return replace(open_project(root), places={"box": place_of(server, tmp_path / "there")})


def test_result_is_that_of_the_same_run_here(tmp_path: Path, server: Server) -> None:
    opened = project_with(tmp_path, server)
    there, here = (run_in(opened, place) for place in ("box", ""))
    assert [there.outcome, here.outcome] == [StageStatus.SUCCESS] * 2, there.reason
    trees = [
        git(opened.root, "rev-parse", f"attractor/run/{one.run_id}^{{tree}}").strip()
        for one in (there, here)
    ]
    assert trees[0] == trees[1]
    names = git(opened.root, "ls-tree", "-r", "--name-only", trees[0]).split()
    assert [name for name in names if "/" in name] == [
        f"made/{name}" for name in ("copy", "link", "new", "run", "second")
    ]
    directory = RunDirectory(find_run(there.run_id, opened.runs_dir))
    manifest = read_manifest(directory)
    assert (manifest.promises, manifest.options["place"]) == (Promises(), "box")
    said = [one.read_text() for one in directory.stage("make").iterdir() if one.is_file()]
    assert any(str(tmp_path / "there") in one for one in said)


@table(
    ("fields", "fault"),
    [
        ({"place": "bx"}, "unknown place 'bx'"),
        ({"workspace": "in-place"}, "that is the project folder itself"),
        ({"workspace": "none"}, "that is the project folder itself"),
    ],
)
def test_unusable_place_is_refused_before_anything_is_written(
    tmp_path: Path, server: Server, fields: dict[str, str], fault: str
) -> None:
    opened = project_with(tmp_path, server)
    with pytest.raises(NotRunnable, match=fault):
        run_in(opened, **{"place": "box", **fields})
    assert not opened.runs_dir.exists()
    assert not (tmp_path / "there").exists()


CUT = """
[ ! -e CUT ] || exit 0
setsid sleep 300 >&- 2>&- &
echo $! > CUT
touch half
at=$$
until grep -q '^sshd' /proc/$at/comm; do at=$(sed 's/.*) //' /proc/$at/stat | cut -d ' ' -f 2); done
kill -9 $at
sleep 300
"""


def test_lost_connection_stops_the_run_until_a_resume(tmp_path: Path, server: Server) -> None:
    """The files of the lost attempt are replaced, and its processes are ended."""
    cut = tmp_path / "cut"
    (tmp_path / "cut.sh").write_text(CUT.replace("CUT", str(cut)))
    command = f"sh {tmp_path / 'cut.sh'} && ! test -e half && {COMMANDS}"
    opened = project_with(tmp_path, server, command)
    parked = run_in(opened, "box")
    assert (parked.outcome, cut.exists()) == (None, True), parked.reason
    assert "connection was lost" in parked.reason
    ended = asyncio.run(resume(find_run("latest", opened.runs_dir), opened))
    assert ended.outcome is StageStatus.SUCCESS, ended.reason
    assert not Path(f"/proc/{cut.read_text().strip()}").exists()


def test_check_names_programs_and_leaves_nothing(tmp_path: Path, server: Server) -> None:
    opened = project_with(tmp_path, server)
    report = asyncio.run(check_place("box", opened))
    assert not report.faults
    assert dict(report.programs)["tar"]
    assert abs(report.clock_seconds) < 60
    assert list(Path(report.folder).iterdir()) == []


def test_root_that_is_a_link_is_refused(tmp_path: Path, server: Server) -> None:
    opened = project_with(tmp_path, server)
    (tmp_path / "there").symlink_to(tmp_path)
    with pytest.raises(NotRunnable, match="through a link"):
        run_in(opened, "box")


def test_two_projects_share_a_root(tmp_path: Path, server: Server) -> None:
    for name in ("one", "two"):
        opened = project_with(tmp_path / name, server)
        opened = replace(opened, places={"box": place_of(server, tmp_path / "there")})
        assert run_in(opened, "box").outcome is StageStatus.SUCCESS
    assert len(list((tmp_path / "there").iterdir())) == 2


def test_secrets_of_this_process_do_not_reach_the_place(tmp_path: Path, server: Server) -> None:
    canary = "canary-4711-canary"
    opened = adjusted(
        project_with(tmp_path, server, "env > seen; cat /proc/*/cmdline >> seen; true"),
        environ={"PATH": os.environ["PATH"], "ANTHROPIC_API_KEY": canary, "HOME": str(tmp_path)},
    )
    # The settings of a person may let ssh send variables.
    options = [*server.options, "-oSendEnv=ANTHROPIC_API_KEY"]
    sends = place_of(replace(server, options=options), tmp_path / "there")
    run_in(replace(opened, places={"box": sends}), "box")
    (seen,) = (tmp_path / "there").rglob("seen")
    assert canary.encode() not in seen.read_bytes()


OWN = """#!/bin/sh
cat > asked
rm "$0"
echo done
"""


def test_programs_are_those_of_the_place(tmp_path: Path) -> None:
    """A program that only this machine has is missing; one that only the place has works."""
    (here := tmp_path / "here").mkdir()
    (programs := tmp_path / "programs").mkdir()
    (tmp_path / "sshd").mkdir()
    with ssh_server(tmp_path / "sshd", search_path=f"{programs}:/usr/bin:/bin") as server:
        opened = adjusted(
            project_with(tmp_path, server, "cat asked"),
            environ={
                "PATH": f"{here}:{os.environ['PATH']}",
                "HOME": str(tmp_path),
                "ANTHROPIC_API_KEY": "canary-4711",
            },
        )
        for name, folder in (("claude", here), ("mine", programs)):
            (folder / name).write_text(OWN)
            (folder / name).chmod(0o755)
        own = BackendsSettings(command=ProgramSettings(run="mine"))
        opened = replace(opened, backends=own)
        text = (opened.root / "pipeline.dot").read_text()
        begin = '{0} [prompt="{0} it"]; {1} [prompt="{1} it"]; start -> {0} -> {1} -> make;'
        text = text.replace("start -> make", begin.format("plan", "last") + "make")
        (opened.root / "pipeline.dot").write_text(text)
        with pytest.raises(NotRunnable, match="the place box has no program claude"):
            run_in(opened, "box", backend="claude", model="claude-sonnet-4-5")
        ended = run_in(opened, "box", backend="command")
        assert [*(tmp_path / "there").rglob("asked")]
        assert ended.reason.endswith("the place box has no program mine"), ended.reason
