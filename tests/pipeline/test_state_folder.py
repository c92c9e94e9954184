"""The state folder is ours alone, and what dead runs left in it is collected."""

import asyncio
import shutil
import stat
from dataclasses import replace
from pathlib import Path

from attractor.engine.outcome import StageStatus
from attractor.pipeline.options import RunOptions
from attractor.pipeline.running import resume, start
from attractor.pipeline.state_folder import ready_state
from attractor.pipeline.world import World
from attractor.workspaces.folders import new_folder
from tests.pipeline.commands import Machine
from tests.pipeline.projects import git, make_project, make_world

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


def telling(project: Path) -> tuple[World, list[str]]:
    told: list[str] = []
    return replace(make_world(project), tell=told.append), told


def options(project: Path) -> RunOptions:
    return RunOptions(
        file=project / "pipeline.dot", backend="simulate", sandbox="none", interviewer="park"
    )


def open_places(folder: Path) -> list[str]:
    """Return what others may do anything with, below a folder and the folder itself."""
    found = [folder, *folder.rglob("*")]
    return [str(one) for one in found if not one.is_symlink() and one.stat().st_mode & 0o077]


def test_a_run_makes_its_state_folder_for_its_user_alone(machine: Machine) -> None:
    said = machine.attractor("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none")
    assert machine.state.is_dir()
    assert len(list(machine.state.rglob("*"))) > 20
    assert open_places(machine.state) == []
    assert "open to others" not in said
    assert stat.S_IMODE((machine.state / "workspaces").stat().st_mode) == 0o700


def test_a_state_folder_made_by_other_commands_is_closed_too(machine: Machine) -> None:
    machine.attractor("profile", "create", "strict")
    machine.attractor("token", "create", "ann", "--scope", "decide")
    assert open_places(machine.state) == []


def test_a_state_folder_that_was_open_is_closed_and_that_is_told(machine: Machine) -> None:
    run = ("run", "pipeline.dot", "--backend", "simulate", "--sandbox", "none")
    machine.attractor(*run)
    places = [one for one in machine.state.rglob("*") if not one.is_symlink()]
    for one in [machine.state, *places]:
        one.chmod(0o755 if one.is_dir() else 0o644)
    said = machine.attractor(*run)
    assert f"{len(places) + 1} places in {machine.state} were open to others" in said
    assert open_places(machine.state) == []
    assert "open to others" not in machine.attractor(*run)


def test_a_link_to_the_state_folder_hides_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    (tmp_path / "real").mkdir(mode=0o755)
    (tmp_path / "real").chmod(0o755)
    (tmp_path / "state").symlink_to(tmp_path / "real")
    world, told = telling(project)
    ready_state(world)
    places = f"1 places in {tmp_path / 'real'} were open to others"
    assert told == [f"{places}; now they are yours alone."]
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o700


def test_a_run_whose_workspace_vanished_gets_its_files_back(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", PARKS)
    world, told = telling(project)
    parked = asyncio.run(start(options(project), world))
    target = (world.state_dir / "workspaces").resolve()
    shutil.rmtree(target)
    ended = asyncio.run(resume(parked.directory, world, interviewer="auto_approve"))
    assert ended.outcome is StageStatus.SUCCESS
    assert git(project, "show", f"attractor/run/{ended.run_id}:more.txt") == "made\n"
    assert [sentence for sentence in told if str(target) in sentence]


def test_what_dead_runs_left_is_removed_when_a_run_begins_or_goes_on(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", PARKS)
    world, _ = telling(project)
    place = ready_state(world)

    def left_behind() -> Path:
        with new_folder(place) as folder:
            (folder / "file").write_text("of a trial")
        return folder

    trial = left_behind()
    with new_folder(place) as living:
        parked = asyncio.run(start(options(project), world))
        assert not trial.exists()
        assert living.is_dir()
        trial = left_behind()
        (own,) = set(place.iterdir()) - {living, trial}
        asyncio.run(resume(parked.directory, world))
        assert set(place.iterdir()) == {own, living}


def test_nothing_is_removed_while_a_record_cannot_be_read(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", PARKS)
    world, told = telling(project)
    asyncio.run(start(options(project), world))
    (record,) = world.state_dir.glob("stores/*/workspace.json")
    record.write_text("{")
    before = set((world.state_dir / "workspaces").iterdir())
    place = ready_state(world)
    assert set(place.iterdir()) == before
    assert [one for one in told if one.startswith(f"What dead runs left in {place} is not removed")]


def test_runs_that_begin_at_once_leave_each_other_alone(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", PARKS)
    world, _ = telling(project)

    async def all_at_once() -> list[StageStatus | None]:
        chosen = replace(options(project), interviewer="auto_approve")
        doing = [start(chosen, world) for _ in range(4)]
        return [one.outcome for one in await asyncio.gather(*doing)]

    assert asyncio.run(all_at_once()) == [StageStatus.SUCCESS] * 4
    assert len(list((world.state_dir / "workspaces").iterdir())) == 4
