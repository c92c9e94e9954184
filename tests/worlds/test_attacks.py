"""Attacks by the tools of an actor: on other actors, their files, and the person's commands."""

import subprocess
import sys
from pathlib import Path

import pytest

from attractor.twins.script.script import Rule, When
from tests.agent.twinned import says, use, uses
from tests.cli.test_agent import desk_with, steps
from tests.needs import needs_bubblewrap
from tests.patience import wait_until
from tests.repositories import begin_repository
from tests.worlds.desks import SPAWN, PlacedDesk, desk, kill_process
from tests.worlds.test_actors import AUTHOR, MODEL, commit_all, twin

__all__ = ["desk"]

COMMANDS = (
    *("actor list", "actor spawn x", "actor prompt own x", "actor stop own", "message send own x"),
    *("message list own", "attention", "attention next", "snooze own", "up --once"),
    *("comment a.py:1 x", "comment --actor own --send"),
    *("dimension add x", "dimension list", "dimension remove x", "dimension submit x"),
    *("agent x", "exec x", "answer x y"),
)
ATTACK = """digraph attack {{
  start [shape=Mdiamond]; done [shape=Msquare]
  try [shape=parallelogram, tool_command="sh ../attack.sh"]
  start -> try -> done
}}
"""


def test_commands_of_a_person_are_refused_when_a_tool_types_them(desk: PlacedDesk) -> None:
    lines = [
        f'"{sys.executable}" -m attractor {one}; echo "{one}: $?" >> codes' for one in COMMANDS
    ]
    lines.append(
        f'"{sys.executable}" -m attractor.worlds.process a b c; echo "process: $?" >> codes'
    )
    (desk.folder / "attack.sh").write_text("cd ..\nexport ATTRACTOR_STATE_DIR=$PWD/state\n")
    with (desk.folder / "attack.sh").open("a") as script:
        script.write("\n".join(lines))
    desk.write(ATTACK.format())
    desk.do(*SPAWN, "--name", "own", "attack")
    desk.do("actor", "wait", "own", "--timeout", "100s")
    codes = dict(line.rsplit(": ", 1) for line in (desk.folder / "codes").read_text().splitlines())
    # The process of an actor is no command: the refusal is a traceback.
    assert codes.pop("process") == "1"
    assert codes == dict.fromkeys(COMMANDS, "4")
    assert [one["name"] for one in desk.actors()] == ["own"]
    assert desk.actors()[0]["answered"] == 1


@needs_bubblewrap
def test_tool_of_an_actor_sees_neither_a_neighbour_nor_an_inbox(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    begin_repository(desk.place)
    (desk.place / "scenarios").mkdir()
    (desk.place / "scenarios" / "one.toml").write_text("hidden\n")
    for words in (["add", "-A"], ["commit", "-qm", "Begin"]):
        subprocess.run(["git", *AUTHOR, *words], cwd=desk.place, check=True)
    attack = (
        f"cat {tmp_path}/project.worktrees/other/own.txt; cat {tmp_path}/project/own.txt; "
        f"cat {tmp_path}/state/projects/*/actors/*/*; ls {tmp_path}; "
        "git log --all -p; git show main:scenarios/one.toml; "
        f"echo x > {tmp_path}/project.worktrees/other/new; echo x > {tmp_path}/new; true"
    )
    rules = [
        Rule(when=When(last_user="attack", step=0), answer=uses(use("shell", {"command": attack}))),
        Rule(when=When(last_user="attack", step=1), answer=says("Tried.")),
        Rule(when=When(last_user="wait"), answer=says("Waited.")),
    ]
    with twin(desk, *rules):
        desk.do("actor", "spawn", "wait for it", "--name", "other", *MODEL)
        for folder in (tmp_path / "project.worktrees" / "other", desk.place):
            (folder / "own.txt").write_text("of a neighbour")
        desk.do("actor", "spawn", "attack the others", "--name", "own", *MODEL)
        waited = desk.do("actor", "wait", "own", "other", "--timeout", "60s")
        assert waited.returncode == 0, waited.stdout
    [run] = [one for one in (desk.place / "runs").glob("*/") if "attack" in _goal(one)]
    said = "".join(one.read_text() for one in run.glob("work/*.jsonl"))
    assert "Tried." in said
    assert "hidden" not in said
    assert "of a neighbour" not in said
    assert "wait for it" not in said
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "project.worktrees" / "other" / "new").exists()


NOTIFY = '[notify]\ncommand = "touch $HOME/escaped"\nafter_seconds = 0\n'


@needs_bubblewrap
@pytest.mark.parametrize("has_settings", [False, True])
def test_agent_cannot_name_commands_that_start_without_a_sandbox(
    tmp_path: Path, has_settings: bool
) -> None:
    desk = desk_with(tmp_path)
    if has_settings:
        (desk.place / "attractor.toml").write_text("[notify]\n")
    attack = use("shell", {"command": f"printf '{NOTIFY}' > attractor.toml; true"})
    rules = steps("attack", uses(attack), says("Tried."))
    rules.append(Rule(when=When(last_user="again"), answer=says("Again.")))
    with twin(desk, *rules):
        desk.do("actor", "spawn", "attack", "--name", "own", "--in", "in-place", *MODEL)
        desk.do("actor", "wait", "own", "--timeout", "60s")
        kill_process(desk, "own")
        done = desk.do("message", "send", "own", "again", "--wait")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "escaped").exists()
    file = desk.place / "attractor.toml"
    assert file.read_text() == "[notify]\n" if has_settings else not file.exists()
    assert len([*desk.place.glob("attractor.toml.of-*")]) == (not has_settings)


@needs_bubblewrap
def test_hidden_scenarios_that_appear_during_a_task_stay_hidden(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    begin_repository(desk.place)
    commit_all(desk.place)
    wait = "touch begun; until [ -e shown ]; do sleep 0.1; done"
    look = use("shell", {"command": f"{wait}; cat scenarios/one.toml; ls scenarios"})
    with twin(desk, *steps("look", uses(look), says("Looked."))):
        desk.do("actor", "spawn", "look", "--name", "own", *MODEL)
        worktree = tmp_path / "project.worktrees" / "own"
        wait_until(lambda: (worktree / "begun").exists())
        (worktree / "scenarios").mkdir(exist_ok=True)
        (worktree / "scenarios" / "one.toml").write_text("quokka\n")
        (worktree / "shown").touch()
        desk.do("actor", "wait", "own", "--timeout", "60s")
        [run] = (desk.place / "runs").glob("*/work")
        said = "".join(one.read_text() for one in run.glob("*.jsonl"))
        assert "Looked." in said
        assert "quokka" not in said
        (worktree / "scenarios" / "one.toml").unlink()
        (worktree / "scenarios").rmdir()
        (worktree / "scenarios").symlink_to(tmp_path)
        refused = desk.do("message", "send", "own", "look", "--wait")
    assert "scenarios is a link, which a sandbox cannot hide (remove it: rm " in refused.stderr


def _goal(run: Path) -> str:
    manifest = run / "manifest.json"
    return manifest.read_text() if manifest.exists() else ""
