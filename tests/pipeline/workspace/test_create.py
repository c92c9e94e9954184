"""Private state folder, leftovers of killed runs, and read-only carried files."""

import asyncio
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.config.load import load_configuration
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.language.diagnostics import NotRunnable
from attractor.pipeline.execute import resume
from attractor.pipeline.project.project import Project, project_from
from attractor.pipeline.workspace.create import prepare_state_folder
from attractor.records.request import Overrides, RunRequest
from attractor.workspaces.folders import new_folder
from attractor.workspaces.preparation import Preparation
from tests.needs import needs_sandbox
from tests.pipeline.commands import Machine
from tests.pipeline.projects import (
    adjusted,
    fork,
    git,
    make_project,
    open_project,
    simulated,
    start,
)
from tests.pipeline.test_boot import boot_steps
from tests.workspaces.projects import contents

PARKS = """
digraph parks {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    make  [shape=parallelogram, tool_command="mkdir -p deep; echo made > deep/made.txt"]
    ask   [shape=hexagon, label="Go on?"]
    more  [shape=parallelogram, tool_command="cat deep/made.txt > more.txt"]
    start -> make -> ask
    ask -> more [label="[Y] Yes"]
    more -> exit
}
"""


def telling(project: Path) -> tuple[Project, list[str]]:
    messages: list[str] = []
    return adjusted(open_project(project), tell=messages.append), messages


def options(project: Path) -> RunRequest:
    return simulated(project, interviewer="park")


def open_places(folder: Path) -> list[str]:
    """Return the paths below a folder, and the folder itself, that others may change."""
    found = [folder, *folder.rglob("*")]
    return [str(one) for one in found if not one.is_symlink() and one.stat().st_mode & 0o077]


def test_a_run_makes_its_state_folder_for_its_user_alone(machine: Machine) -> None:
    said = machine.attractor("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none")
    assert machine.state.is_dir()
    assert len(list(machine.state.rglob("*"))) > 20
    assert open_places(machine.state) == []
    assert "other users had access" not in said
    assert stat.S_IMODE((machine.state / "workspaces").stat().st_mode) == 0o700


def test_open_state_folder_is_made_private_with_a_message(machine: Machine) -> None:
    run = ("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none")
    machine.attractor(*run)
    places = [one for one in machine.state.rglob("*") if not one.is_symlink()]
    for one in [machine.state, *places]:
        one.chmod(0o755 if one.is_dir() else 0o644)
    said = machine.attractor(*run)
    made = "Made private, because other users had access: "
    assert f"{made}{machine.state} and {len(places)} paths more." in said
    assert open_places(machine.state) == []
    places[0].chmod(0o755)
    assert made not in machine.attractor(*run)
    assert open_places(machine.state) == []


def test_a_link_to_the_state_folder_hides_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    (tmp_path / "real").mkdir(mode=0o755)
    (tmp_path / "real").chmod(0o755)
    (tmp_path / "state").symlink_to(tmp_path / "real")
    opened, output = telling(project)
    prepare_state_folder(opened)
    made = "Made private, because other users had access: "
    assert output == [f"{made}{tmp_path / 'real'}."]
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o700


def test_lost_workspace_is_restored(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", PARKS)
    opened, output = telling(project)
    parked = asyncio.run(start(options(project), opened))
    target = (opened.machine.state_dir / "workspaces").resolve()
    shutil.rmtree(target)
    ended = asyncio.run(resume(parked.directory, opened, Overrides(interviewer="auto_approve")))
    assert ended.outcome is StageStatus.SUCCESS
    assert git(project, "show", f"attractor/run/{ended.run_id}:more.txt") == "made\n"
    assert [sentence for sentence in output if str(target) in sentence]


def test_start_and_resume_remove_leftovers_of_killed_runs(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", PARKS)
    opened, _ = telling(project)
    place = prepare_state_folder(opened)

    def left_behind() -> Path:
        with new_folder(place) as folder:
            (folder / "file").write_text("of a trial")
        return folder

    trial = left_behind()
    with new_folder(place) as living:
        parked = asyncio.run(start(options(project), opened))
        assert not trial.exists()
        assert living.is_dir()
        trial = left_behind()
        (own,) = set(place.iterdir()) - {living, trial}
        asyncio.run(resume(parked.directory, opened))
        assert set(place.iterdir()) == {own, living}


def test_unreadable_record_prevents_removal(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", PARKS)
    opened, output = telling(project)
    asyncio.run(start(options(project), opened))
    (record,) = opened.machine.state_dir.glob("stores/*/workspace.json")
    record.write_text("{")
    before = set((opened.machine.state_dir / "workspaces").iterdir())
    place = prepare_state_folder(opened)
    assert set(place.iterdir()) == before
    assert [
        one
        for one in output
        if one.startswith(f"Leftovers of killed runs in {place} were not removed")
    ]


def test_runs_that_begin_at_once_leave_each_other_alone(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", PARKS)
    opened, _ = telling(project)

    async def all_at_once() -> list[StageStatus | None]:
        chosen = replace(options(project), interviewer="auto_approve")
        doing = [start(chosen, opened) for _ in range(4)]
        return [one.outcome for one in await asyncio.gather(*doing)]

    assert asyncio.run(all_at_once()) == [StageStatus.SUCCESS] * 4
    assert len(list((opened.machine.state_dir / "workspaces").iterdir())) == 4


SHOWN = ("modules/", "packages/app/deps", ".env.local")
READ = "cat modules/one packages/app/deps/two .env.local && ! touch modules/x && ! rm .env.local"
ATTACK = "mv packages old; rm -rf modules; ln -s /tmp packages; test -d modules/"
PIPELINE = f"""
digraph shows {{
    node [shape=parallelogram, max_retries=0]
    start [shape=Mdiamond]
    exit [shape=Msquare]
    first [tool_command="{READ} && cat made/by_setup && echo first > first.txt"]
    fork [shape=component]
    one [tool_command="{READ} && cat made/by_setup && echo one > one.txt"]
    two [type="pipeline", file="child.dot"]
    meet [shape=tripleoctagon, merge=all]
    attack [tool_command="{ATTACK}"]
    ask [shape=hexagon]
    last [tool_command="cat modules/one .env.local && test ! -e old/x && echo last > last.txt"]
    start -> first -> fork
    fork -> one -> meet
    fork -> two -> meet
    meet -> attack -> ask
    ask -> last [label="Go on"]
    last -> exit
}}
"""
CHILD = f"""
digraph child {{
    node [shape=parallelogram, max_retries=0]
    start [shape=Mdiamond]
    exit [shape=Msquare]
    inner [tool_command="{READ} && echo two > two.txt"]
    start -> inner -> exit
}}
"""
IGNORED = "modules/\nmade/\ndeps\n.env.local\nlinked\n"


@pytest.fixture
def opened(tmp_path: Path) -> Project:
    """A project whose dependencies are shown in workspaces."""
    files = {".gitignore": IGNORED, "child.dot": CHILD, "packages/app/main.py": "main\n"}
    project = make_project(tmp_path / "project", PIPELINE, **files)
    (project / "modules").mkdir()
    (project / "modules/one").write_text("one\n")
    (project / "packages/app/deps").mkdir()
    (project / "packages/app/deps/two").write_text("two\n")
    (project / ".env.local").write_text("A=1\n")
    return open_project(project)


def showing(opened: Project, *paths: str, setup: str = "", carry: tuple[str, ...] = ()) -> Project:
    shown = paths or SHOWN
    wanted = Preparation(carry_read_only=shown, setup=setup, carry=carry)
    return adjusted(opened, preparation=wanted)


def go(opened: Project, sandbox: str = "bubblewrap", kind: str = "isolated") -> RunResult:
    options = simulated(opened.root, sandbox=sandbox, interviewer="park", workspace=kind)
    return asyncio.run(start(options, opened))


def kept(project: Path) -> dict[str, bytes]:
    """Return the files of the project, without the records of runs."""
    return {name: one for name, one in contents(project).items() if not name.startswith("runs/")}


def workspaces(opened: Project) -> list[Path]:
    return list((opened.machine.state_dir / "workspaces").resolve().iterdir())


@needs_sandbox
def test_carried_paths_are_in_setups_branches_children_resumes_and_forks(opened: Project) -> None:
    messages: list[str] = []
    setup = "mkdir made && cat modules/one >made/by_setup && ! touch modules/x"
    opened = adjusted(showing(opened, setup=setup), tell=messages.append)
    before = kept(opened.root)
    parked = go(opened)
    assert parked.status == AWAITING_ANSWER
    (carry,) = [one for one in boot_steps(parked.directory) if one["step"] == "carry"]
    assert carry["read_only"] == ["modules", "packages/app/deps", ".env.local"]
    assert (carry["carried"], carry["copied_instead"], carry["lacking"]) == ([], [], [])
    # Nothing was copied into a workspace, or stored for another run.
    found = workspaces(opened)
    assert found
    assert [one for folder in found for one in folder.glob("**/modules/*")] == []
    assert not (opened.machine.state_dir / "setups").exists()
    # A link is planted at the place of the shown folder, between two processes.
    standing_in = [folder / "modules" for folder in found if (folder / "modules").is_dir()]
    assert standing_in
    for place in standing_in:
        place.rmdir()
        place.symlink_to(opened.root)
    done = asyncio.run(resume(parked.directory, opened, Overrides(interviewer="auto_approve")))
    assert done.outcome is StageStatus.SUCCESS
    approving = Overrides(interviewer="auto_approve")
    forked = asyncio.run(fork(parked.directory, "first", opened, approving))
    assert forked.outcome is StageStatus.SUCCESS
    assert kept(opened.root) == before
    names = git(opened.root, "ls-tree", "-r", "--name-only", f"attractor/run/{done.run_id}")
    assert "last.txt" in names
    assert "modules" not in names
    assert "deps" not in names
    assert [one for one in messages if "carry" in one] == []


def test_read_only_path_is_copied_without_a_sandbox(opened: Project) -> None:
    messages: list[str] = []
    opened = adjusted(showing(opened), tell=messages.append)
    text = "cat modules/one .env.local && echo changed > modules/one"
    (opened.root / "pipeline.dot").write_text(
        CHILD.replace(READ, text).replace("digraph child", "digraph plain")
    )
    result = go(opened, sandbox="none")
    assert result.outcome is StageStatus.SUCCESS
    (carry,) = [one for one in boot_steps(result.directory) if one["step"] == "carry"]
    assert carry["carried"] == carry["copied_instead"] == [one.strip("/") for one in SHOWN]
    assert carry["read_only"] == []
    (line,) = [one for one in messages if "carry_read_only" in one]
    assert "without bubblewrap" in line
    assert "modules, packages/app/deps, .env.local" in line
    assert (opened.root / "modules/one").read_text() == "one\n"


@needs_sandbox
@pytest.mark.parametrize("isolation", ["", ', isolation="shared"'])
def test_read_only_paths_of_a_run_in_place(opened: Project, isolation: str) -> None:
    checks = "cat modules/one" if isolation else "cat modules/one && ! touch modules/x"
    text = f"""
    digraph branches {{
        node [shape=parallelogram, max_retries=0]
        start [shape=Mdiamond]
        exit [shape=Msquare]
        own [tool_command="touch modules/own"]
        fork [shape=component{isolation}]
        one [tool_command="{checks}"]
        two [tool_command="{checks}"]
        meet [shape=tripleoctagon]
        start -> own -> fork
        fork -> one -> meet
        fork -> two -> meet
        meet -> exit
    }}
    """
    (opened.root / "pipeline.dot").write_text(text)
    result = go(showing(opened), kind="in-place")
    assert result.outcome is StageStatus.SUCCESS
    assert sorted(one.name for one in (opened.root / "modules").iterdir()) == ["one", "own"]


@needs_sandbox
def test_records_inside_a_carried_folder_are_hidden(opened: Project) -> None:
    state = opened.root / "modules/state"
    (opened.root / "pipeline.dot").write_text(
        CHILD.replace(READ, "ls -A modules/state > /tmp/x && test ! -s /tmp/x && cat modules/one")
    )
    assert go(adjusted(showing(opened), state_dir=state)).outcome is StageStatus.SUCCESS
    assert any(state.iterdir())


def test_workspace_errors_are_found_in_preflight(opened: Project) -> None:
    project = opened.root
    (project / "linked").symlink_to("modules")
    (project / "made").write_text("a file")
    paths = (
        *("modules", "modules", "packages/app/deps/two", "../out", "readme.txt", "scenarios"),
        *("linked", "made", "packages/app/deps"),
    )
    records = adjusted(
        showing(opened, *paths, carry=(".env.local", "modules")), state_dir=project / "made/state"
    )
    with pytest.raises(NotRunnable) as refused:
        go(records)
    text = str(refused.value)
    for words in (
        "it is listed twice",
        "it is not a plain path",
        "git does not ignore it",
        "agents have no access to it",
        "it is not a file or folder",
        "it is a file, and git ignores only folders",
        "it overlaps with 'packages/app/deps/two'",
        "list it once, either in carry (copied) or in carry_read_only",
    ):
        assert words in text
    assert not (project / "runs").exists()


@pytest.mark.parametrize("where", ["packages/app/deps", "packages/app/deps/below"])
def test_records_that_could_be_uncovered_are_refused(opened: Project, where: str) -> None:
    held = adjusted(showing(opened, "packages/app/deps"), state_dir=opened.root / where)
    with pytest.raises(NotRunnable, match="agents have no access"):
        go(held)
    copied = adjusted(opened, preparation=Preparation(carry=("packages/app/deps",)))
    with pytest.raises(NotRunnable, match="agents have no access"):
        go(adjusted(copied, state_dir=held.machine.state_dir))


def test_settings_list_carried_paths(opened: Project, tmp_path: Path) -> None:
    text = '[workspace]\ncarry = ["made"]\ncarry_read_only = ["modules/", "deps"]\n'
    (opened.root / "attractor.toml").write_text(text)
    configuration = load_configuration(
        start=opened.root, cwd=opened.root, environ={}, user_file=tmp_path / "none.toml"
    )
    made = project_from(configuration, machine=opened.machine, console=opened.console)
    assert made.preparation.copied_paths == ("made",)
    assert made.preparation.shown_paths == ("modules", "deps")
