"""`attractor actor` and `attractor message`: agents that stay, over real processes and a twin."""

import json
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attractor.twins.exchange.answer import Answer
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, use, uses
from tests.base.running import command_lines
from tests.cli.test_agent import EDITS, ProjectDesk, desk_with, steps
from tests.cli.test_budgets import CALL
from tests.needs import needs_sandbox
from tests.patience import wait_until
from tests.repositories import begin_repository

AUTHOR = ("-c", "user.name=T", "-c", "user.email=t@localhost")
MODEL = ("--model", MODELS["openai"])


def actors(desk: ProjectDesk, *options: str) -> list[dict[str, Any]]:
    return json.loads(desk.do("actor", "list", "--json", *options).stdout)


def commit_all(project: Path) -> None:
    for words in (["add", "-A"], ["commit", "-qm", "Begin"]):
        subprocess.run(["git", *AUTHOR, *words], cwd=project, check=True)


@contextmanager
def twin(desk: ProjectDesk, *rules: Rule) -> Generator[None]:
    with in_background(ProviderTwin(Script(rules=rules))) as desk.twin:
        yield


def test_actor_answers_its_messages_in_one_conversation(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    rules = steps("fix", uses(EDITS["openai"]), says("Fixed add."))
    rules += [Rule(when=When(last_user="what", words="Fixed add"), answer=says("I fixed add."))]
    with twin(desk, *rules):
        spawned = desk.do("actor", "spawn", "fix the sum", "--in", "in-place", *MODEL)
        assert spawned.returncode == 0, spawned.stderr
        assert "attractor actor attach fix-the-sum" in spawned.stdout
        waited = desk.do("actor", "wait", "fix", "--timeout", "30s")
        assert waited.stdout == "fix-the-sum: review: 1 file changed\n", waited.stderr
        asked = desk.do("message", "send", "fix", "what was it?", "--wait")
        assert (asked.returncode, asked.stdout) == (0, "I fixed add.\n"), asked.stderr
    [actor] = actors(desk)
    assert (actor["answered"], actor["status"]) == (2, "review")
    assert "return a + b" in (desk.place / "calc.py").read_text()
    listed = json.loads(desk.do("message", "list", "fix", "--json").stdout)
    assert [one["message"]["text"] for one in listed] == ["fix the sum", "what was it?"]
    manifest = json.loads((desk.place / "runs" / listed[1]["run_id"] / "manifest.json").read_text())
    options = manifest["options"]
    assert options["continues"]["run_id"] == listed[0]["run_id"]
    assert options["task"]["message"] == listed[1]["message"]["id"]
    [_, line] = desk.do("runs").stdout.splitlines()
    assert "actor fix-the-sum, 2 runs: what was it?" in line
    assert len(json.loads(desk.do("runs", "--json").stdout)) == 2
    [world] = json.loads(desk.do("world", "list", "--json").stdout)
    assert [one["name"] for one in world["actors"]] == ["fix-the-sum"]
    assert json.loads(desk.do("world", "show", "--json").stdout) == world
    assert "fix-the-sum" in desk.do("world", "show", "project").stdout
    near = desk.do("actor", "show", "fix-the-smu")
    assert "did you mean fix-the-sum" in near.stderr
    assert desk.do("actor", "stop", "fix").returncode == 0

    def processes() -> list[str]:
        commands = (" ".join(words) for words in command_lines().values())
        return [one for one in commands if str(tmp_path) in one and "worlds" in one]

    # The process table shows one that has ended for a moment.
    wait_until(lambda: not processes(), processes)
    assert desk.do("actor", "archive", "fix").returncode == 0
    assert desk.do("message", "send", "fix", "more").returncode == 4


def test_actor_in_a_copy_begins_each_task_with_the_files_of_the_last_one(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    read = use("shell", {"command": "cat calc.py"})
    rules = steps("fix", uses(EDITS["openai"]), says("Fixed add."))
    rules += [Rule(when=When(last_user="look", step=2), answer=uses(read))]
    rules += [Rule(when=When(last_user="look", step=3), answer=says("It adds."))]
    with twin(desk, *rules):
        spawned = desk.do("actor", "spawn", "fix the sum", "--name", "sum", *MODEL)
        assert "attractor dimension submit sum --suite SUITE" in spawned.stdout, spawned.stderr
        waited = desk.do("actor", "wait", "sum", "--timeout", "30s")
        assert waited.stdout == "sum: review: 1 file changed\n", waited.stderr
        asked = desk.do("message", "send", "sum", "look at it", "--wait")
    assert asked.returncode == 0, asked.stderr
    assert "return a - b" in (desk.place / "calc.py").read_text()
    [first, second] = json.loads(desk.do("message", "list", "sum", "--json").stdout)
    assert (first["changed"], second["changed"]) == (1, 1)
    output = desk.do("logs", second["run_id"], "--stage", "work").stdout
    assert "return a + b" in output


def test_second_actor_in_one_place_is_refused_with_the_first(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    with twin(desk, *steps("x", says("Done."))):
        unknown = desk.do("actor", "spawn", "x", "--with", "codexx")
        assert (unknown.returncode, "did you mean codex" in unknown.stderr) == (2, True)
        unguarded = desk.do("actor", "spawn", "x", "--read-only", "--sandbox", "none")
        assert (unguarded.returncode, "nothing keeps an actor" in unguarded.stderr) == (2, True)
        desk.do("actor", "spawn", "x", "--name", "one", "--in", "in-place", *MODEL)
        second = desk.do("actor", "spawn", "x", "--name", "two", "--in", "in-place", *MODEL)
        desk.do("actor", "wait", "one", "--timeout", "30s")
    assert second.returncode == 4
    assert "the actor one works in in-place" in second.stderr


@needs_sandbox
def test_reader_changes_nothing_beside_the_actor_that_writes(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    with twin(
        desk, *steps("write", says("Done.")), *steps("read", uses(EDITS["openai"]), says("Ok."))
    ):
        desk.do("actor", "spawn", "write", "--in", "in-place", *MODEL)
        for number in ("one", "two"):
            name = f"reader-{number}"
            spawned = desk.do(
                "actor", "spawn", f"read {number}", "--name", name, "--read-only", *MODEL
            )
            assert spawned.returncode == 0, spawned.stderr
            desk.do("actor", "wait", name, "--timeout", "30s")
            shown = json.loads(desk.do("actor", "show", name, "--json").stdout)
            assert shown["status"] == "idle"
    assert "return a - b" in (desk.place / "calc.py").read_text()


def test_actor_of_a_repository_works_in_a_worktree_of_its_own(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    begin_repository(desk.place)
    commit_all(desk.place)
    rules = steps("fix", uses(EDITS["openai"]), says("Fixed add."))
    with twin(desk, *rules):
        spawned = desk.do("actor", "spawn", "fix the sum", "--name", "sum", *MODEL)
        assert spawned.returncode == 0, spawned.stderr
        waited = desk.do("actor", "wait", "sum", "--timeout", "30s")
        assert waited.stdout == "sum: review: 1 file changed\n", waited.stderr
    worktree = tmp_path / "project.worktrees" / "sum"
    assert "return a + b" in (worktree / "calc.py").read_text()
    assert "return a - b" in (desk.place / "calc.py").read_text()
    # Its process waits a few seconds for another message.
    assert desk.do("actor", "archive", "sum").returncode == 0
    [dimension] = json.loads(desk.do("dimension", "list", "--json").stdout)
    assert (dimension["branch"], dimension["changed"]) == ("attractor/sum", 1)


def test_unknown_cost_of_an_actor_is_unknown_in_each_list(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    unpriced = ("--model", "home-made", "--provider", "openai")
    with twin(desk, Rule(answer=Answer(text="Done.", usage=CALL))):
        desk.do("actor", "spawn", "fix the sum", "--in", "in-place", *unpriced)
        desk.do("actor", "wait", "fix", "--timeout", "30s")
        [actor], [row] = actors(desk), desk.record("attention")
        assert actor["unpriced_tokens"] == row["unpriced_tokens"] == 1000
        for words in (
            ["actor", "list"],
            ["actor", "show", "fix"],
            ["attention"],
            ["world", "list"],
        ):
            assert " unknown" in desk.do(*words).stdout, words


def test_limit_of_the_cost_is_refused_for_an_actor_whose_model_has_no_price(tmp_path: Path) -> None:
    desk = desk_with(tmp_path)
    spawn = ("actor", "spawn", "fix the sum", "--in", "in-place", "--max-cost-usd", "1")
    with twin(desk):
        refused = desk.do(*spawn, "--model", "home-made", "--provider", "openai")
        assert refused.returncode == 2
        assert "max_cost_usd cannot limit the cost" in refused.stderr
        assert actors(desk) == []
