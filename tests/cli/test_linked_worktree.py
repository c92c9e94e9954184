"""`attractor agent` in a linked worktree of a repository: one project, and Git works inside."""

from collections.abc import Sequence
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


Told = tuple[list[str], str]
"""The lines of a transcript, and stderr."""


def executed(desk: ProjectDesk, *commands: str, options: Sequence[str] = ()) -> Told:
    """Let an agent execute commands; return the lines of its transcript, and stderr."""
    calls = [uses(use("shell", {"command": one})) for one in commands]
    script = Script(rules=tuple(steps("look", *calls, says("Done."))))
    with in_background(ProviderTwin(script)) as desk.twin:
        done = desk.do("agent", "look", "--model", MODELS["openai"], *options)
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
    [prompt] = (main.place / "runs").glob("*/work/prompt.md")
    assert "commits, branches and stashes vanish with it" in prompt.read_text()


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
    lines, _ = executed(desk, *COMMANDS[:3], COMMANDS[4], options=["--sandbox", "landlock"])
    assert {"CLEAN", " 1 file changed, 1 insertion(+)", "2"} <= {*lines}
    assert "SEEN" not in lines
    assert git(main.place, "rev-parse", "side") == git(main.place, "rev-parse", "main")


def make_dimension(folder: Path) -> tuple[ProjectDesk, Path]:
    """Make a dimension into which a person merges changed scenarios, and a second worktree."""
    desk = make_repository(folder)
    with in_background(
        ProviderTwin(Script(rules=tuple(steps("look", says("Done.")))))
    ) as desk.twin:
        made = desk.do("dimension", "add", "try")
    assert made.returncode == 0, made.stderr
    top = desk.place.with_name(f"{desk.place.name}.worktrees") / "try"
    (desk.place / "scenarios" / "one.toml").write_text(f"{HOLDOUT}, and more")
    git(desk.place, "commit", "--quiet", "-am", "two")
    git(top, "merge", "--quiet", "main")
    git(desk.place, "worktree", "add", "--quiet", "-b", "second", str(folder / "second"))
    return desk, top


def searches(main: Path) -> list[str]:
    """Return commands that search for a holdout in a dimension."""
    places = [main / ".git", main / "scenarios", main.parent / "second"]
    return [
        f"git show main:scenarios/one.toml | grep -q '{HOLDOUT}' && echo SEEN",
        f"git --git-dir={main / '.git'} show main:scenarios/one.toml | grep -q . && echo SEEN",
        "git sparse-checkout disable; git checkout main; git worktree list; true",
        f"git grep -q '{HOLDOUT}' $(git rev-list --all) && echo SEEN",
        f"grep -rqs '{HOLDOUT}' . {' '.join(map(str, places))} && echo SEEN",
        "ls scenarios 2>/dev/null | wc -l",
    ]


@needs_bubblewrap
def test_bubblewrap_shows_no_scenarios_in_a_dimension(tmp_path: Path) -> None:
    desk, top = make_dimension(tmp_path)
    assert not (top / "scenarios").exists()
    git(top, "sparse-checkout", "disable")
    assert HOLDOUT in (top / "scenarios" / "one.toml").read_text()
    lines, _ = executed(desk, *searches(desk.place), options=["--in", "try"])
    assert ("0" in lines, "SEEN" in lines) == (True, False)
    assert git(top, "branch", "--show-current") == "attractor/try\n"
    assert (top / "scenarios" / "one.toml").exists()


@pytest.mark.skipif(landlock_abi() < MIN_ABI, reason="needs a newer Landlock")
def test_landlock_shows_no_scenarios_in_a_dimension(tmp_path: Path) -> None:
    desk, top = make_dimension(tmp_path)
    options = ["--in", "try", "--sandbox", "landlock"]
    lines, _ = executed(desk, *searches(desk.place), options=options)
    assert ("0" in lines, "SEEN" in lines) == (True, False)
    git(top, "sparse-checkout", "disable")
    refused = desk.do("agent", "look", "--model", MODELS["openai"], *options)
    assert (refused.returncode, "cannot hide" in refused.stderr) == (4, True), refused.stderr
