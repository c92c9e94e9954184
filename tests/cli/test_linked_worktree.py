"""`attractor agent` in a linked worktree of a repository: one project, and Git works inside."""

from pathlib import Path

import pytest

from attractor.environments.sandbox.landlock import MIN_ABI, landlock_abi
from attractor.twins.script.script import Script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, use, uses
from tests.cli.test_agent import ProjectDesk, desk_with, steps
from tests.needs import needs_bubblewrap
from tests.pipeline.projects import git

HOLDOUT = "the hidden words"
COMMANDS = [
    "git status --short && echo CLEAN",
    "echo more >> calc.py && git diff --stat",
    "git -c user.name=x commit -qam two && git log --oneline | wc -l",
    "ls scenarios | wc -l",
    f"git grep -q '{HOLDOUT}' $(git rev-list --all) && echo SEEN",
    "rm -f .git; echo x > .git; git config core.fsmonitor x; git status --short && echo USABLE",
]


class WorktreeDesk(ProjectDesk):
    """A desk in a linked worktree of the project."""

    @property
    def place(self) -> Path:
        return self.folder / "linked"


def make_repository(folder: Path) -> ProjectDesk:
    desk = desk_with(folder)
    (desk.place / "scenarios").mkdir()
    (desk.place / "scenarios" / "one.toml").write_text(HOLDOUT)
    git(desk.place, "init", "--quiet", "--initial-branch=main")
    git(desk.place, "add", ".")
    git(desk.place, "commit", "--quiet", "-m", "one")
    return desk


def executed(desk: ProjectDesk, *commands: str, sandbox: str = "auto") -> tuple[list[str], str]:
    """Let an agent execute commands; return the lines of its transcript, and stderr."""
    calls = [uses(use("shell", {"command": one})) for one in commands]
    script = Script(rules=tuple(steps("look", *calls, says("Done."))))
    with in_background(ProviderTwin(script)) as desk.twin:
        done = desk.do("agent", "look", "--model", MODELS["openai"], "--sandbox", sandbox)
    assert done.returncode == 0, done.stderr
    logs = desk.do("logs", "--stage", "work").stdout
    return [line[10:] for line in logs.splitlines()], done.stderr


@needs_bubblewrap
def test_git_works_in_a_linked_worktree_and_shows_no_scenarios(tmp_path: Path) -> None:
    main = make_repository(tmp_path)
    desk = WorktreeDesk(tmp_path)
    git(main.place, "worktree", "add", "--quiet", "-b", "side", str(desk.place))
    before = (main.place / ".git" / "config").read_bytes()
    link = (desk.place / ".git").read_bytes()
    lines, said = executed(desk, *COMMANDS)
    assert {"CLEAN", " 1 file changed, 1 insertion(+)", "2", "0", "USABLE"} <= {*lines}
    assert not {"SEEN", HOLDOUT} & {*lines}
    # The repository of the person is as before.
    assert (desk.place / ".git").read_bytes() == link
    assert git(main.place, "rev-parse", "side") == git(main.place, "rev-parse", "main")
    assert (main.place / ".git" / "config").read_bytes().startswith(before)
    assert git(desk.place, "status", "--short").strip() == "M calc.py"
    # The run is one of the project.
    assert not (desk.place / "runs").exists()
    assert len([*(main.place / "runs").glob("*/manifest.json")]) == 1
    assert str(main.place / "runs") in said
    assert "commit to a repository that is removed at the end" in said


@needs_bubblewrap
def test_scenarios_are_hidden_in_the_main_checkout_but_not_in_its_history(tmp_path: Path) -> None:
    desk = make_repository(tmp_path)
    lines, said = executed(desk, "ls scenarios | wc -l; git show HEAD:scenarios/one.toml")
    assert {"0", HOLDOUT} <= {*lines}
    assert "Git's history in the project is readable, also that of hidden folders." in said


@pytest.mark.skipif(landlock_abi() < MIN_ABI, reason="needs a newer Landlock")
def test_landlock_leads_git_to_a_repository_without_scenarios(tmp_path: Path) -> None:
    main = make_repository(tmp_path)
    desk = WorktreeDesk(tmp_path)
    git(main.place, "worktree", "add", "--quiet", "-b", "side", str(desk.place))
    lines, _ = executed(desk, *COMMANDS[:3], COMMANDS[4], sandbox="landlock")
    assert {"CLEAN", " 1 file changed, 1 insertion(+)", "2"} <= {*lines}
    assert "SEEN" not in lines
    assert git(main.place, "rev-parse", "side") == git(main.place, "rev-parse", "main")
