"""A model drafts a pipeline, over real HTTP with a provider twin."""

import json
import os
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from attractor.projects.drafting import MOST_ROUNDS, free_place, pipeline_in
from attractor.twins.pytest_plugin import StartTwin, provider_twin as provider_twin
from attractor.twins.script.script import Script
from attractor.twins.server.provider_twin import ProviderTwin
from tests.cli.running import ATTRACTOR, attractor
from tests.cli.terminals import sit
from tests.tables import table

GOOD = """digraph add_health {
    graph [goal="add a health endpoint"]
    start [shape=Mdiamond]
    build [prompt="Add the endpoint /health"]
    test  [shape=parallelogram, tool_command="make test"]
    exit  [shape=Msquare]
    start -> build -> test -> exit
}
"""
WRONG = GOOD.replace("-> exit", "-> exti")
WARNED = GOOD.replace('health"]', 'health", max_vists=3]')
SHOUTED = GOOD.replace("/health", "/HEALTH")
SETTINGS = '[llm]\nmodel = "gpt-5"\n'
TASK = "add a health endpoint"


def answers(*texts: str) -> Script:
    """Return a model script with these answers; the last one repeats."""
    usage = {"input": 1000, "output": 100}
    rules = [{"answer": {"text": one, "usage": usage}, "first": 1} for one in texts[:-1]]
    return Script.model_validate(
        {"rules": [*rules, {"answer": {"text": texts[-1], "usage": usage}}]}
    )


def fenced(text: str) -> str:
    return f"Here it is:\n\n```dot\n{text}```\n\nIt runs `make test`.\n"


def variables(twin: ProviderTwin, folder: Path) -> dict[str, str]:
    names = ("OPENAI_API_KEY", "OPENAI_BASE_URL")
    state = {"ATTRACTOR_STATE_DIR": str(folder / "state"), "HOME": str(folder)}
    return {**{name: twin.environ()[name] for name in names}, **state}


def new(twin: ProviderTwin, folder: Path, *words: str) -> CompletedProcess[str]:
    (folder / "attractor.toml").write_text(SETTINGS)
    return attractor("new", TASK, *words, folder=folder, variables=variables(twin, folder))


def test_wrong_draft_is_repaired_shown_drawn_and_saved(
    provider_twin: StartTwin, tmp_path: Path
) -> None:
    twin = provider_twin(answers(fenced(WRONG), fenced(GOOD)))
    (tmp_path / "Makefile").write_text("test:\n\ttrue\n")
    done = new(twin, tmp_path, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    kept = Path(record["draft"])
    assert {one.stat().st_mode & 0o077 for one in (kept, kept.parent, kept.parents[1])} == {0}
    assert Path(record["file"]) == tmp_path / "pipelines" / "add_health.dot"
    assert Path(record["file"]).read_text() == GOOD
    assert Path(record["drawing"]).read_text().startswith("<svg")
    assert (record["rounds"], record["tokens"], record["model"]) == (2, 2200, "gpt-5")
    assert 0 < record["cost_usd"] < 0.1
    shown = done.stderr
    assert f"round 1 of {MOST_ROUNDS}: 2 errors" in shown
    assert f"round 2 of {MOST_ROUNDS}: valid ($0.00" in shown
    assert "  test   tool      make test\n" in shown
    assert "  test -> exit\n" in shown
    first, second = (json.dumps(one.body) for one in twin.requests)
    found = (
        TASK,
        "tests: `make test`",
        "name: attractor",
        "`max_visits`",
        "## paid_loop (warning)",
    )
    assert all(each in one for each in found for one in (first, second))
    assert "edge_target_exists" in second.split("Here it is")[1]


def test_hopeless_draft_is_refused_and_kept(provider_twin: StartTwin, tmp_path: Path) -> None:
    # The draft with the fewest errors is kept, even if it is not the last one.
    twin = provider_twin(answers("I cannot.", fenced(WRONG), "Sorry."))
    done = new(twin, tmp_path, "--yes", "--json")
    assert (done.returncode, len(twin.requests)) == (1, MOST_ROUNDS)
    error: dict[str, Any] = json.loads(done.stdout)["error"]
    assert Path(error["draft"]).read_text() == WRONG
    assert "edge_target_exists" in {one["rule"] for one in error["diagnostics"]}
    assert error["rounds"] == MOST_ROUNDS
    assert f"no valid pipeline in {MOST_ROUNDS} rounds: 2 errors" in done.stderr
    assert "fix: did you mean exit?" in done.stderr
    assert error["draft"] in done.stderr
    assert not (tmp_path / "pipelines").exists()


def test_draft_is_changed_in_words_and_a_file_is_only_overwritten_after_a_question(
    provider_twin: StartTwin, tmp_path: Path
) -> None:
    drafts = [WARNED, *[WRONG] * (MOST_ROUNDS - 1), SHOUTED]
    twin = provider_twin(answers(*map(fenced, drafts)))
    file = tmp_path / "mine.dot"
    file.write_text("mine")
    (tmp_path / "attractor.toml").write_text(SETTINGS)
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **variables(twin, tmp_path)}
    words = [ATTRACTOR, "new", TASK, "-o"]
    with sit([*words, "mine.dot"], cwd=tmp_path, environ=environ) as sitting:
        sitting.until("already exists. Overwrite it with the draft? [y/N]")
        assert not twin.requests
        sitting.type("y\n")
        sitting.until("Save as mine.dot? [y, n, or describe a change]")
        assert file.read_text() == "mine"
        sitting.type("in capital letters\n")
        sitting.until_again("Save as mine.dot?", 2)
        sitting.type("Y\n")
        assert sitting.ends_with() == 0
    assert file.read_text() == SHOUTED
    changed = json.dumps(twin.requests[-1].body)
    assert all(one in changed for one in ("in capital letters", "max_vists"))
    # The request for a change contains the draft that was shown.
    assert "exti" not in changed
    with sit([*words, "other.dot"], cwd=tmp_path, environ=environ) as sitting:
        sitting.until("Save as other.dot?")
        sitting.type("n\n")
        assert sitting.ends_with() == 0
        assert "not saved; the draft is " in sitting.shown
    assert not (tmp_path / "other.dot").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "pass --yes"),
        (("--yes", "-o", "attractor.toml"), 4, "attractor.toml already exists"),
        (("--yes", "--provider", "gemini"), 2, "set GEMINI_API_KEY"),
        (("--yes", "--model", "unheard-of"), 2, "attractor models"),
    ],
)
def test_doomed_draft_is_refused_before_a_model_call(
    provider_twin: StartTwin,
    tmp_path: Path,
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    twin = provider_twin(answers(fenced(GOOD)))
    done = new(twin, tmp_path, *words)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert not twin.requests


def test_empty_task_is_refused(tmp_path: Path) -> None:
    done = attractor("new", " ", "--yes", folder=tmp_path)
    assert (done.returncode, "the task is empty" in done.stderr) == (2, True), done.stderr


def test_new_pipeline_gets_a_free_name(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    for expected in ("health.dot", "health_2.dot", "health_3.dot"):
        found = free_place(tmp_path, "health")
        assert found == tmp_path / "pipelines" / expected
        found.touch()


@table(
    "answer",
    [
        GOOD,
        f"\n{GOOD}\n",
        fenced(GOOD),
        f"```\n{GOOD}```",
        f"First:\n```sh\nmake\n```\n{fenced(WRONG)}{fenced(GOOD)}```toml\na = 1\n```\n",
        fenced(GOOD).replace("\n", "\r\n"),
    ],
)
def test_pipeline_is_found_in_an_answer(answer: str) -> None:
    assert pipeline_in(answer) == GOOD
