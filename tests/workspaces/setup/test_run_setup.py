"""Setup of a workspace and its forks, once, and with carried files."""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode, UsageError
from attractor.environments.local import LocalExecutionEnvironment
from attractor.workspaces.create.from_folder import create_in_place
from attractor.workspaces.create.isolated import create_isolated, reopen_workspace
from attractor.workspaces.errors import SetupFailed
from attractor.workspaces.preparation import Preparation, PreparationResult, SetupOutcome, SetupRun
from attractor.workspaces.tracked_folder import TrackedFolder
from tests.workspaces.projects import (
    AUTHOR,
    RUN,
    SEARCH_PATH,
    Project,
    contents,
    environment,
    everything,
    git,
    write,
)

pytestmark = pytest.mark.anyio

VARIABLES = {"PATH": SEARCH_PATH}
INSTALL = "mkdir -p modules && cp lock modules/installed && echo ran >>runs.log"


class Inside(LocalExecutionEnvironment):
    """Runs commands in a folder, but reports a fixed path, as sandboxes do."""

    def working_directory(self) -> str:
        return "/workspace"


def here(folder: Path) -> LocalExecutionEnvironment:
    return LocalExecutionEnvironment(folder, environ=VARIABLES)


def inside(folder: Path) -> Inside:
    return Inside(folder, environ=VARIABLES)


Make = Callable[[Path], LocalExecutionEnvironment]


@pytest.fixture
def app(tmp_path: Path) -> Project:
    """Make a project with dependencies in an ignored folder, and a file that lists them.

    Each execution of its setup adds a line to another ignored file.
    """
    project = Project.made(tmp_path)
    write(project.folder, {".gitignore": "*.log\nmodules/\n.venv/\nother\nlost\n", "lock": "1.0\n"})
    project.commit("dependencies")
    write(
        project.folder,
        {"modules/a/index.js": "a\n", ".venv/bin/tool": "#!/bin/sh\n", "other": "a file\n"},
    )
    (project.folder / ".venv/bin/tool").chmod(0o755)
    (project.folder / ".venv/bin/link").symlink_to("tool")
    (project.folder / ".venv/outside").symlink_to("/etc/passwd")
    os.mkfifo(project.folder / ".venv/pipe")
    os.utime(project.folder / "modules/a/index.js", (1, 1))
    return project


async def made(project: Project, make: Make = inside, run_id: str = RUN) -> TrackedFolder:
    return await create_isolated(
        await project.repository(),
        state=project.state,
        run_id=run_id,
        commit="HEAD",
        author=AUTHOR,
        environment=make,
        on_snapshot=project.hear,
    )


async def opened(project: Project, make: Make = inside) -> TrackedFolder:
    return await reopen_workspace(
        state=project.state,
        run_id=RUN,
        search_path=SEARCH_PATH,
        environment=make,
        on_snapshot=project.hear,
    )


def runs(folder: Path) -> int:
    """Count the executions of the setup in a folder, or in the one that it was copied from."""
    log = folder / "runs.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


CARRY = Preparation(carry=("modules", ".venv/", "other", "lost"))
SETUP = Preparation(setup=INSTALL, setup_files=("/lock",))


async def test_ignored_files_are_carried_along_and_are_no_part_of_the_work(app: Project) -> None:
    before = everything(app.folder)
    workspace = await made(app)
    prepared = await workspace.prepare(CARRY, project=app.folder)
    assert prepared == PreparationResult(carried=("modules", ".venv", "other"), lacking=("lost",))
    folder = workspace.folder
    assert (folder / "modules/a/index.js").read_text() == "a\n"
    assert (folder / "modules/a/index.js").stat().st_mtime == 1
    assert os.access(folder / ".venv/bin/tool", os.X_OK)
    assert str((folder / ".venv/bin/link").readlink()) == "tool"
    assert str((folder / ".venv/outside").readlink()) == "/etc/passwd"
    assert not (folder / ".venv/pipe").exists()
    (folder / "modules/a/index.js").write_text("changed by an agent\n")
    assert await workspace.snapshot("now") == workspace.base.candidate
    shutil.rmtree(app.folder / ".git/refs/attractor")
    assert everything(app.folder) == before
    assert app.snapshots[0][0] == "prepared"
    assert app.snapshots[0][1].ignored == app.snapshots[-1][1].ignored


async def test_fork_copies_carried_files_of_its_parent(app: Project) -> None:
    workspace = await made(app)
    await workspace.prepare(CARRY, project=app.folder)
    write(workspace.folder, {"modules/b": "installed by a stage\n", "x.log": "a log"})
    tree = await workspace.snapshot("one")
    fork = await workspace.fork("a", tree)
    assert (fork.folder / "modules/b").read_text() == "installed by a stage\n"
    assert (fork.folder / ".venv/bin/tool").exists()
    assert not (fork.folder / "x.log").exists()
    (fork.folder / "modules/b").write_text("changed")
    assert (workspace.folder / "modules/b").read_text() == "installed by a stage\n"
    assert await fork.snapshot("fork") == tree
    inner = await fork.fork("a/b", tree)
    assert (inner.folder / "modules/b").read_text() == "changed"
    # Also in another process, which has the same settings.
    again = await opened(app)
    assert await again.prepare(CARRY, project=app.folder) == PreparationResult(
        carried=("modules", ".venv", "other"), lacking=("lost",)
    )
    assert ((await again.fork("c", tree)).folder / "modules/b").exists()
    assert [subject for subject, _ in app.snapshots] == ["prepared", "one", "fork"]


async def test_carried_files_do_not_follow_links_or_overwrite(app: Project) -> None:
    outside = app.state.parent / "outside"
    write(outside, {"kept": "mine"})
    workspace = await made(app)
    folder = workspace.folder
    (folder / "modules").symlink_to(outside)
    write(folder, {".venv/bin/tool": "another\n"})
    prepared = await workspace.prepare(CARRY, project=app.folder)
    assert prepared.carried == (".venv", "other")
    assert (folder / ".venv/bin/tool").read_text() == "another\n"
    assert (folder / ".venv/bin/link").is_symlink()
    (folder / "other").unlink()
    (folder / "other").symlink_to(outside / "kept")
    fork = await workspace.fork("a", workspace.base.candidate)
    assert (fork.folder / "other").is_symlink()
    assert contents(outside) == {"kept": b"mine"}


async def test_later_mounts_are_not_copied_to_forks(app: Project) -> None:
    wanted = Preparation(carry_read_only=("modules", ".venv"))
    workspace = await made(app)
    copied = await workspace.prepare(wanted.copying, project=app.folder)
    assert (copied.carried, copied.read_only) == (("modules", ".venv"), ())
    again = await opened(app)
    shown = await again.prepare(wanted, project=app.folder)
    assert (shown.carried, shown.read_only) == ((), ("modules", ".venv"))
    fork = await again.fork("a", again.base.candidate)
    assert not (fork.folder / "modules").exists()
    assert (again.folder / "modules/a/index.js").exists()


def test_setup_with_read_only_mounts_is_not_cached(app: Project) -> None:
    # The mount point of the read-only folder is made when the commands start.
    setup = "mkdir -p modules && mkdir made.log"
    wanted = Preparation(setup=setup, setup_files=("/lock",), carry_read_only=("modules",))

    async def scene(run_id: str) -> PreparationResult:
        return await (await made(app, run_id=run_id)).prepare(wanted, project=app.folder)

    for run_id in ("one", "two"):
        prepared = asyncio.run(scene(run_id))
        assert (prepared.setup, prepared.made) == (SetupOutcome.RUN, ("made.log",))
    assert not (app.state / "setups").exists()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../elsewhere", "not a plain path"),
        ("docs", "git does not ignore"),
        ("scenarios", "no access"),
        ("modules", "listed twice"),
        ("modules/a", "overlaps with 'modules'"),
        ("lost", "contains files of the project"),
        ("lost/kept", "contains files of the project"),
        (".venv", "it is a file, and git ignores only folders"),
    ],
)
def test_invalid_read_only_paths_are_rejected(app: Project, path: str, words: str) -> None:
    write(app.folder, {"lost/kept": "in git, though ignored"})
    git(app.folder, "add", "--force", "lost/kept")
    git(app.folder, "commit", "-q", "-m", "kept")
    workspace = asyncio.run(made(app))
    shutil.rmtree(app.folder / ".venv")
    write(app.folder, {".venv": "a file"})
    wanted = Preparation(carry=("modules",), carry_read_only=(path,))
    with pytest.raises(UsageError, match=words):
        asyncio.run(workspace.prepare(wanted, project=app.folder))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../elsewhere", "not a plain path"),
        ("/etc", "not a plain path"),
        ("", "not a plain path"),
        ("docs", "git does not ignore"),
        ("todo.py", "git does not ignore"),
        ("scenarios", "no access"),
        ("scenarios/todo/holdout", "no access"),
        ("runs", "no access"),
        (".git", "git does not ignore"),
    ],
)
def test_invalid_carried_paths_are_rejected(app: Project, path: str, words: str) -> None:
    workspace = asyncio.run(made(app))
    with pytest.raises(UsageError, match=words):
        asyncio.run(workspace.prepare(Preparation(carry=(path,)), project=app.folder))


@pytest.mark.parametrize("make", [here, inside])
async def test_a_setup_is_run_once_for_a_workspace(app: Project, make: Make) -> None:
    workspace = await made(app, make)
    prepared = await workspace.prepare(SETUP, project=app.folder)
    assert (prepared.setup, prepared.made) == (SetupOutcome.RUN, ("modules", "runs.log"))
    assert (workspace.folder / "modules/installed").read_text() == "1.0\n"
    assert await workspace.snapshot("now") == workspace.base.candidate
    for again in (workspace, await opened(app, make)):
        prepared = await again.prepare(SETUP, project=app.folder)
        assert (prepared.setup, runs(again.folder)) == (SetupOutcome.DONE, 1)
    # The result of the setup is lost with the folder, or with the files that it made.
    shutil.rmtree(workspace.folder / "modules")
    assert (await again.prepare(SETUP, project=app.folder)).setup is not SetupOutcome.DONE
    assert (workspace.folder / "modules/installed").exists()
    shutil.rmtree(workspace.folder)
    again = await opened(app, make)
    assert (await again.prepare(SETUP, project=app.folder)).setup is not SetupOutcome.DONE
    assert (workspace.folder / "modules/installed").exists()


def test_setup_result_is_cached_for_other_runs(app: Project) -> None:
    async def scene(run_id: str, wanted: Preparation = SETUP) -> tuple[SetupOutcome, int]:
        workspace = await made(app, run_id=run_id)
        prepared = await workspace.prepare(wanted, project=app.folder)
        assert (workspace.folder / "modules/installed").exists()
        assert await workspace.snapshot("now") == workspace.base.candidate
        return prepared.setup, runs(workspace.folder)

    assert asyncio.run(scene("one")) == (SetupOutcome.RUN, 1)
    write(app.folder, {"todo.py": "changed\n"})
    app.commit("nothing that the setup goes by")
    assert asyncio.run(scene("two")) == (SetupOutcome.KEPT, 1)
    write(app.folder, {"lock": "2.0\n"})
    app.commit("another version")
    assert asyncio.run(scene("three")) == (SetupOutcome.RUN, 1)
    other = Preparation(setup=f"{INSTALL} && true", setup_files=("/lock",))
    assert asyncio.run(scene("four", other)) == (SetupOutcome.RUN, 1)
    # An incomplete copy in the cache is made again.
    for kept in (app.state / "setups").iterdir():
        shutil.rmtree(kept / "files/modules")
    assert asyncio.run(scene("five")) == (SetupOutcome.RUN, 1)
    assert asyncio.run(scene("six")) == (SetupOutcome.KEPT, 1)


def test_without_names_of_files_every_file_counts(app: Project) -> None:
    async def scene(run_id: str) -> SetupOutcome:
        workspace = await made(app, run_id=run_id)
        wanted = Preparation(setup=INSTALL)
        return (await workspace.prepare(wanted, project=app.folder)).setup

    assert asyncio.run(scene("one")) is SetupOutcome.RUN
    assert asyncio.run(scene("two")) is SetupOutcome.KEPT
    write(app.folder, {"todo.py": "changed\n"})
    app.commit("anything")
    assert asyncio.run(scene("three")) is SetupOutcome.RUN


@pytest.mark.parametrize(("make", "carry"), [(here, ()), (inside, ("other",))])
def test_setup_bound_to_its_folder(app: Project, make: Make, carry: tuple[str, ...]) -> None:
    wanted = Preparation(setup=INSTALL, setup_files=("lock",), carry=carry)

    async def scene(run_id: str) -> SetupOutcome:
        workspace = await made(app, make, run_id)
        return (await workspace.prepare(wanted, project=app.folder)).setup

    assert asyncio.run(scene("one")) is SetupOutcome.RUN
    assert asyncio.run(scene("two")) is SetupOutcome.RUN
    assert not (app.state / "setups").exists()


@pytest.mark.parametrize("make", [here, inside])
async def test_fork_copies_the_setup_result(app: Project, make: Make) -> None:
    setups: list[SetupRun] = []
    workspace = await made(app, make)
    await workspace.prepare(SETUP, project=app.folder, on_setup=setups.append)
    write(workspace.folder, {"lock": "changed by a stage\n"})
    fork = await workspace.fork("a", await workspace.snapshot("one"))
    assert (fork.folder / "modules/installed").read_text() == "1.0\n"
    inner = await fork.fork("a/b", workspace.base.candidate)
    assert (inner.folder / "modules/installed").exists()
    assert (runs(fork.folder), runs(inner.folder)) == (1, 1)
    assert [(one.fork, one.command, one.exit_code) for one in setups] == [("", INSTALL, 0)]


@pytest.mark.parametrize("names", ['echo "#!$PWD/x" >modules/x', 'ln -s "$PWD/lock" modules/x'])
def test_fork_reruns_a_setup_that_mentions_its_folder(app: Project, names: str) -> None:
    setups: list[SetupRun] = []

    async def scene(make: Make, run_id: str) -> int:
        workspace = await made(app, make, run_id)
        wanted = Preparation(setup=f"{INSTALL} && {names}", setup_files=("/lock",))
        await workspace.prepare(wanted, project=app.folder, on_setup=setups.append)
        fork = await workspace.fork("a", workspace.base.candidate)
        assert runs(fork.folder) == 1
        return len(setups)

    assert asyncio.run(scene(here, "one")) == 2
    assert [one.fork for one in setups] == ["", "a"]
    setups.clear()
    assert asyncio.run(scene(inside, "two")) == 1


async def test_a_setup_changes_nothing_of_the_project(app: Project) -> None:
    setup = "echo changed >todo.py; rm lock; mkdir modules; touch modules/x new.txt"
    workspace = await made(app)
    prepared = await workspace.prepare(Preparation(setup=setup), project=app.folder)
    assert prepared.undone == ("lock", "new.txt", "todo.py")
    assert prepared.made == ("modules",)
    assert await workspace.snapshot("now") == workspace.base.candidate


async def test_setup_runs_on_the_base_and_keeps_stage_changes(app: Project) -> None:
    workspace = await made(app, here)
    await workspace.prepare(SETUP, project=app.folder)
    write(workspace.folder, {"lock": "changed by a stage\n", "new": "new"})
    tree = await workspace.snapshot("one")
    shutil.rmtree(workspace.folder / "modules")
    again = await opened(app, here)
    assert (await again.prepare(SETUP, project=app.folder)).setup is SetupOutcome.RUN
    assert (again.folder / "modules/installed").read_text() == "1.0\n"
    assert await again.snapshot("after") == tree


@pytest.mark.parametrize(
    ("setup", "words"),
    [
        ("echo out; echo no wheel >&2; exit 3", "failed with exit status 3:\nout\nno wheel"),
        ("exit 1", "no output"),
        ("no-such-program-anywhere", "command not found"),
        ("echo slow; sleep 60", "exceeded 0:00:01:\nslow"),
    ],
)
async def test_failed_setup_is_reported_and_rerun(app: Project, setup: str, words: str) -> None:
    workspace = await made(app)
    wanted = Preparation(setup=setup, setup_timeout=timedelta(seconds=1))
    setups: list[SetupRun] = []
    with pytest.raises(SetupFailed) as failed:
        await workspace.prepare(wanted, project=app.folder, on_setup=setups.append)
    assert [one.exit_code == 0 for one in setups] == [False]
    assert words in failed.value.message
    assert failed.value.hint
    assert failed.value.exit_code == ExitCode.UNFINISHED
    assert (await workspace.prepare(SETUP, project=app.folder)).setup is SetupOutcome.RUN


async def test_failed_fork_setup_leaves_nothing(app: Project) -> None:
    workspace = await made(app, here)
    wanted = Preparation(setup='test "$PWD" = "$(cat where.log)" && pwd >made.log')
    write(workspace.folder, {"where.log": str(workspace.folder)})
    await workspace.prepare(wanted, project=app.folder)
    before = set(workspace.folder.parent.iterdir())
    with pytest.raises(SetupFailed):
        await workspace.fork("a", workspace.base.candidate)
    assert set(workspace.folder.parent.iterdir()) == before


def test_missing_setup_file_is_reported(app: Project) -> None:
    workspace = asyncio.run(made(app))
    wanted = Preparation(setup="true", setup_files=("lock", "lokc"))
    with pytest.raises(UsageError, match="no file of the project matches 'lokc'") as refused:
        asyncio.run(workspace.prepare(wanted, project=app.folder))
    assert "commit the file" in refused.value.hint


@pytest.mark.parametrize("forks", [("a",), ("a", "b")])
async def test_in_place_run_prepares_only_forks(app: Project, forks: Sequence[str]) -> None:
    workspace = await create_in_place(
        app.folder, state=app.state, run_id=RUN, search_path=SEARCH_PATH, environment=here
    )
    before = everything(app.folder)
    wanted = Preparation(setup=INSTALL, carry=(".venv",))
    assert await workspace.prepare(wanted, project=app.folder) == PreparationResult()
    assert everything(app.folder) == before
    for name in forks:
        fork = await workspace.fork(name, workspace.base.candidate)
        assert (fork.folder / ".venv/bin/tool").exists()
        assert runs(fork.folder) == 1
        assert await fork.snapshot("now") == workspace.base.candidate


async def test_nothing_wanted_does_nothing(project: Project) -> None:
    workspace = await project.workspace()
    before = everything(workspace.folder)
    assert await workspace.prepare(Preparation(), project=project.folder) == PreparationResult()
    assert everything(workspace.folder) == before
    assert environment(workspace.folder).ran == []
