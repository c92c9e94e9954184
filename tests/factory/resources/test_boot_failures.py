"""A failed boot step names its remedy, and no stage begins."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.base.errors import AttractorError, ExitCode
from attractor.config.tables import read_section
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import start_run
from attractor.factory.project import ProjectIdentity
from attractor.factory.resources.profiles import Profile
from attractor.factory.resources.suites import SuiteStore
from attractor.factory.resources.versions import BURNED, Ending
from attractor.records.summary import list_runs
from attractor.scenarios.sealed_suite import seal_suite
from attractor.workspaces.preparation import Preparation
from tests.factory.flows import Flow, make_flow
from tests.factory.resources.stores import register
from tests.pipeline.projects import adjusted, simulated
from tests.scenarios.suites import SUITE, TWIN, WITH_TWIN, write_files, write_suite

Fail = Callable[[Flow], object]


def edit(flow: Flow, old: str, new: str) -> None:
    file = flow.project / "pipeline.dot"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def unknown_profile(flow: Flow) -> object:
    return flow.launch(profile="lenint")


def unknown_suite(flow: Flow) -> object:
    return flow.launch(suite="tudo")


def retire(flow: Flow) -> object:
    versions, now = flow.opened.profiles.versions, flow.machine.clock.now()
    versions.end(versions.find("lenient"), Ending("retired", now, "ann", "it is old"))
    return flow.launch()


def profile_with_missing_path(flow: Flow) -> object:
    profile = read_section(Profile, {"name": "p", "sandbox": {"read": ["/no/such"]}})
    flow.opened.profiles.create(profile, by="ann", now=flow.machine.clock.now())
    return flow.launch(profile="p")


def edited_profile(flow: Flow) -> object:
    [file] = flow.machine.state_dir.glob("projects/*/profiles/lenient/1.json")
    file.write_text(file.read_text().replace("isolation_unverified", "dirty_base"))
    return flow.launch()


def edited_suite(flow: Flow) -> object:
    [copy] = (flow.machine.state_dir / "suites" / "sealed").iterdir()
    (copy / "suite.toml").write_text(SUITE + "[gate]\nmin_satisfaction = 0.1\n")
    return flow.launch()


def burned_elsewhere(flow: Flow) -> object:
    mine, elsewhere = flow.opened.suites, flow.project.parent / "elsewhere"
    now = flow.machine.clock.now()
    project = ProjectIdentity(elsewhere, flow.machine.state_dir / "project.lock", os.urandom)
    other = SuiteStore(flow.machine.state_dir, project, mine.versions.ledger)
    version = register(other, flow.project.parent / "suite", now=now).version
    other.versions.end(version, Ending(BURNED, now, "ann", "it leaked"))
    return flow.launch()


def infeasible_suite(flow: Flow) -> object:
    text = SUITE + "[gate]\nmin_lower_bound = 0.9\n"
    folder = write_suite(flow.project.parent / "strict", suite=text)
    suites, now = flow.opened.suites, flow.machine.clock.now()
    # An older version with other rules could have registered it in this way.
    sealed = seal_suite(folder, flow.machine.state_dir / "suites" / "sealed")
    suites.add(sealed, folder, by="ann", now=now)
    return flow.launch()


def broken_twin(flow: Flow) -> object:
    data = flow.project.parent / "data.txt"
    data.touch()
    route = '[[routes]]\npath = "/x"\nkind = "handler"\nfunction = "answer"\n'
    handler = f"open({str(data)!r}).close()\ndef answer(request, state, draw):\n    return 1\n"
    files = {"todo-api/twin.toml": TWIN + route, "todo-api/handler.py": handler}
    write_files(flow.project.parent / "_twins", files)
    text = WITH_TWIN.replace('"todo"', '"twinned"')
    folder = write_suite(flow.project.parent / "twinned", suite=text)
    now = flow.machine.clock.now()
    register(flow.opened.suites, folder, now=now)
    data.unlink()
    return flow.launch(suite="twinned")


def other_pipeline(flow: Flow) -> object:
    edit(flow, "digraph linear", "digraph other")
    return flow.launch()


def missing_program(flow: Flow) -> object:
    edit(flow, 'goal="Say hello"', 'goal="Say hello", requires="no-such-program"')
    return flow.launch()


def unknown_backend(flow: Flow) -> object:
    return asyncio.run(start_run(simulated(flow.project, backend="agnt"), flow.opened))


def unknown_agent(flow: Flow) -> object:
    edit(flow, 'prompt="Plan: $goal"', 'prompt="Plan", agent="nobody"')
    return asyncio.run(start_run(simulated(flow.project, backend="agent"), flow.opened))


def used_directory(flow: Flow) -> object:
    return flow.launch(root=flow.project)


def no_sandbox(flow: Flow) -> object:
    folder = flow.project.parent / "programs"
    folder.mkdir()
    (folder / "git").symlink_to("/usr/bin/git")
    opened = adjusted(flow.opened.project, environ={**flow.machine.environ, "PATH": str(folder)})
    return Flow(flow.project, OpenProject(opened)).launch(sandbox="bubblewrap")


def failing_setup(flow: Flow) -> object:
    opened = adjusted(flow.opened.project, preparation=Preparation(setup="exit 3"))
    return Flow(flow.project, OpenProject(opened)).launch()


@pytest.mark.parametrize(
    ("fail", "words", "remedy", "code"),
    [
        # Profile resolve
        (unknown_profile, "unknown profile", "lenient?", 2),
        (retire, "was retired on", "a version in use", 4),
        (profile_with_missing_path, "sandbox.read: /no/such", "profile update p.toml", 2),
        (edited_profile, "differs from the ledger", "from a backup", 6),
        # Spec resolve
        (unknown_suite, "unknown suite", "todo?", 2),
        (edited_suite, "was changed after sealing", "restore it from a backup", 6),
        (burned_elsewhere, "is burned since", "write new holdouts", 4),
        (infeasible_suite, "thresholds: 1 trial cannot reach", "29 trials", 2),
        (other_pipeline, "is for the pipeline 'linear'", "attractor suite register", 2),
        # Preflight
        (missing_program, "no-such-program is not on the PATH", "install no-such-program", 2),
        (unknown_backend, "unknown backend 'agnt'", "did you mean agent?", 2),
        (unknown_agent, "unknown agent 'nobody'", "agent", 2),
        (broken_twin, "_twins/todo-api/handler.py:1: FileNotFoundError", "data.txt", 2),
        # Run create
        (used_directory, "exists already", "choose another folder", 4),
        # Execution init
        (no_sandbox, "no bwrap on PATH", "install bubblewrap", 3),
        (failing_setup, "exit", "setup", 3),
    ],
)
def test_a_failing_step_of_the_boot_names_its_remedy(
    tmp_path: Path, fail: Fail, words: str, remedy: str, code: int
) -> None:
    flow = make_flow(tmp_path)
    with pytest.raises(AttractorError) as caught:
        fail(flow)
    message = f"{caught.value.message} {caught.value.hint}"
    assert words in message
    assert remedy in message
    assert caught.value.exit_code == ExitCode(code)
    assert {one.status for one in list_runs(flow.runs_dir)} <= {"booting"}
    assert not [*flow.runs_dir.glob("*/plan")]
