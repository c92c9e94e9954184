import subprocess
from datetime import date
from pathlib import Path

from attractor.agent.surroundings import GitState, Surroundings, survey
from attractor.base.processes import ExecResult
from attractor.environments.errors import NotSupported
from attractor.environments.local import LocalExecutionEnvironment
from tests.agent.places import finish, local

TODAY = date(2026, 11, 20)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    command = ["git", *identity, *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=20)


def look(folder: Path) -> Surroundings:
    return finish(survey(local(folder), today=TODAY, model="m-1"))


def test_a_repository_is_described(tmp_path: Path) -> None:
    git(tmp_path, "init", "-b", "work")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for number in range(6):
        (tmp_path / f"f{number}").write_text("x")
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-m", f"Change {number}")
    (tmp_path / "f0").write_text("y")
    (tmp_path / "new").write_text("z")
    commits = tuple(f"Change {number}" for number in (5, 4, 3, 2, 1))
    assert look(tmp_path).git == GitState("work", 2, commits)
    assert look(tmp_path / "deep" / "er").git == GitState("work", 2, commits, depth=2)


def test_a_repository_without_commits_is_one(tmp_path: Path) -> None:
    git(tmp_path, "init", "-b", "work")
    assert look(tmp_path).git == GitState("work", 0)


def test_a_head_without_a_branch_is_said(tmp_path: Path) -> None:
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "One")
    git(tmp_path, "checkout", "--detach")
    assert look(tmp_path).git == GitState("(no branch)", 0, ("One",))


def test_a_folder_is_no_repository(tmp_path: Path) -> None:
    environment = LocalExecutionEnvironment(
        tmp_path, environ={"PATH": "/usr/bin:/bin", "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    )
    found = finish(survey(environment, today=TODAY, model="m-1"))
    assert found.git is None
    assert found.block().splitlines() == [
        "<environment>",
        f"Working directory: {tmp_path}",
        "Is git repository: false",
        f"Platform: {environment.platform()}",
        f"OS version: {environment.os_version()}",
        "Today's date: 2026-11-20",
        "Model: m-1",
        "</environment>",
    ]


def test_the_block_tells_of_git() -> None:
    place = Surroundings("/w", "linux", "6", TODAY, "m", GitState("main", 3, ("One", "Two")))
    assert (
        "\n".join(
            [
                "Is git repository: true",
                "Git branch: main",
                "Changed files: 3",
                "Recent commits:",
                "  One",
                "  Two",
                "Platform: linux",
            ]
        )
        in place.block()
    )


class NoCommands(LocalExecutionEnvironment):
    async def exec_command(self, *arguments: object, **options: object) -> ExecResult:
        raise NotSupported("no commands here")


def test_a_place_without_commands_has_no_git(tmp_path: Path) -> None:
    environment = NoCommands(tmp_path, environ={})
    assert finish(survey(environment, today=TODAY, model="m")).git is None
