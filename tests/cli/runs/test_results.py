"""The printed next steps can be executed."""

import asyncio
import shlex
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from attractor.cli.runs.results import (
    NextStepFacts,
    as_record,
    as_text,
    next_steps,
    read_next_step_facts,
)
from attractor.engine.budgets import Budgets
from attractor.engine.outcome import StageStatus
from attractor.engine.questions.question import Option, Question, QuestionKind
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import (
    AWAITING_ANSWER,
    AWAITING_DECISION,
    CANCELED,
    EVALUATING,
    EXECUTING,
    FAILED,
    RunStatus,
)
from attractor.pipeline.source.gallery import find_in_gallery
from attractor.records.delivery import DeliveredPatch
from attractor.records.request import RunRequest
from tests.pipeline.projects import make_project, open_project, start
from tests.tables import table

ID = "01JZ0000000000000000000000"
BRANCH = f"attractor/run/{ID}"
LOOK = f"git diff HEAD...{BRANCH}"
MERGE = f"git merge {BRANCH}"
GATE = f"attractor gate {ID}"
REVIEW = f"attractor decide {ID}"
APPROVE = f"attractor decide {ID} --approve --reason '...'"
REJECT = f"attractor decide {ID} --reject --reason '...'"
EVALUATE = f"attractor evaluate {ID}"
RESUME = f"attractor resume {ID}"
LOGS = f"attractor logs {ID}"
WHY = f"attractor diagnose {ID}"
ANSWER = f"attractor answer {ID} CHOICE"


def result(status: RunStatus, outcome: StageStatus = StageStatus.SUCCESS) -> RunResult:
    question = Question("q", "Ship it?", QuestionKind.MULTIPLE_CHOICE, [Option("Y", "Yes")], "ask")
    asked = question if status == AWAITING_ANSWER else None
    return RunResult(ID, Path("/runs") / ID, status, outcome, "", question=asked)


def facts(branch: str = "", **more: bool) -> NextStepFacts:
    return NextStepFacts(ID, branch, gate=more.get("gate"), has_suite=more.get("has_suite", False))


@table(
    ("status", "outlook", "commands"),
    [
        (AWAITING_DECISION, facts(BRANCH, gate=True, has_suite=True), [LOOK, REVIEW, APPROVE]),
        (AWAITING_DECISION, facts(BRANCH, gate=False, has_suite=True), [LOOK, GATE, REJECT]),
        (
            AWAITING_DECISION,
            NextStepFacts(ID, gate=False, has_suite=True, again="attractor run a.dot"),
            [GATE, REJECT, f"attractor run a.dot --feedback {ID}"],
        ),
        (AWAITING_DECISION, facts(BRANCH, gate=False), [LOOK, MERGE]),
        (AWAITING_DECISION, facts(gate=False), []),
        (AWAITING_DECISION, replace(facts(BRANCH), unchanged="no files changed"), []),
        (EVALUATING, facts(BRANCH, has_suite=True), [LOOK, EVALUATE]),
        (EVALUATING, facts(BRANCH), [LOOK, MERGE]),
        (EVALUATING, facts(), []),
        (
            AWAITING_ANSWER,
            NextStepFacts(ID, BRANCH),
            [LOOK, ANSWER, f"{RESUME} --interviewer console"],
        ),
        (EXECUTING, NextStepFacts(ID, BRANCH), [LOOK, RESUME, LOGS]),
        (EXECUTING, NextStepFacts(ID), [RESUME, LOGS]),
        (FAILED, NextStepFacts(ID, BRANCH), [LOOK, LOGS, WHY]),
        (CANCELED, NextStepFacts(ID, BRANCH), [LOOK, LOGS]),
        (
            FAILED,
            NextStepFacts(ID, patch=DeliveredPatch(Path("/r/result.patch"))),
            ["git apply --stat /r/result.patch", LOGS, WHY],
        ),
        (
            EVALUATING,
            NextStepFacts(ID, patch=DeliveredPatch(Path("/r/result.patch"))),
            ["git apply --stat /r/result.patch", "git apply /r/result.patch"],
        ),
        (
            EVALUATING,
            NextStepFacts(
                ID, patch=DeliveredPatch(Path("/r/p"), True, "/w", "/my store", "1a", "2b")
            ),
            [
                "cat /r/p",
                "git --git-dir '/my store' diff-tree -r -p --binary 1a 2b | git apply",
            ],
        ),
        (CANCELED, NextStepFacts("'/my runs/one'"), ["attractor logs '/my runs/one'"]),
    ],
)
def test_next_steps_are_possible(
    status: RunStatus, outlook: NextStepFacts, commands: list[str]
) -> None:
    assert [one.command for one in next_steps(result(status), outlook)] == commands
    assert as_record(result(status), outlook)["next"] == commands
    text = as_text(result(status), outlook)
    assert all(command in text for command in commands)


@table(
    ("status", "outcome", "reason", "message"),
    [
        (EVALUATING, StageStatus.SUCCESS, "completed", "success: completed"),
        (FAILED, StageStatus.FAIL, "broken", "fail: broken"),
        (AWAITING_ANSWER, None, "waits for an answer", "not ended: waits for an answer"),
        (EXECUTING, None, "the budget max_tokens is exhausted", "not ended: the budget max_tokens"),
        (CANCELED, None, "canceled by ada: enough", "canceled by ada: enough"),
    ],
)
def test_last_lines_contain_result_reason_place_and_next_steps(
    status: RunStatus, outcome: StageStatus | None, reason: str, message: str
) -> None:
    ended = replace(result(status), outcome=outcome, reason=reason)
    first, *rest = as_text(ended, facts(has_suite=True)).splitlines()
    assert first.startswith(f"run {ID}: {message}")
    assert f"  stored in: /runs/{ID}" in rest
    assert f"attractor {'evaluate' if status == EVALUATING else ''}" in rest[-1]
    record = as_record(ended, facts(has_suite=True))
    assert (record["directory"], record["reason"]) == (f"/runs/{ID}", reason)
    assert record["next"]


def test_result_text_matches_the_snapshot(snapshot: object) -> None:
    found = [
        as_text(result(AWAITING_DECISION), NextStepFacts(ID, BRANCH, gate=False)),
        as_text(result(AWAITING_ANSWER), NextStepFacts(ID, BRANCH)),
        as_text(
            replace(result(FAILED, StageStatus.FAIL), reason="broken"), NextStepFacts(ID, BRANCH)
        ),
        as_text(result(EVALUATING), NextStepFacts(ID)),
    ]
    assert "\n\n".join(found) == snapshot


@table(
    ("kind", "has_branch"),
    [("isolated", True), ("in-place", False), ("none", False)],
)
def test_only_isolated_runs_have_a_branch(tmp_path: Path, kind: str, has_branch: bool) -> None:
    project = make_project(tmp_path / "project")
    opened = open_project(project)
    plain = RunRequest(file=project / "pipeline.dot", backend="simulate", sandbox="none")
    ended = asyncio.run(start(replace(plain, workspace=kind), opened))
    outlook = read_next_step_facts(ended, opened.runs_dir)
    branch = f"attractor/run/{ended.run_id}" if has_branch else ""
    assert (outlook.reference, outlook.branch) == (ended.run_id, branch)


def test_run_in_another_folder_is_named_by_its_quoted_path(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    opened = open_project(project)
    chosen = RunRequest(file=project / "pipeline.dot", backend="simulate", sandbox="none")
    root = tmp_path / "my runs" / "it's one"
    root.parent.mkdir()
    ended = asyncio.run(start(chosen, opened, root=root))
    outlook = read_next_step_facts(ended, opened.runs_dir)
    assert shlex.split(outlook.reference) == [str(root)]


@table(
    ("more", "options"),
    [
        (
            {"goal": "Print it", "budgets": Budgets(cost_usd=2, duration=timedelta(minutes=90))},
            ["--goal", "Print it", "--backend", "simulate", "--sandbox", "none"]
            + ["--max-cost-usd", "2", "--max-duration", "90m"],
        ),
        (
            {"workspace": "copy"},
            ["--backend", "simulate", "--workspace", "copy", "--sandbox", "none"],
        ),
        (
            {"include_dirty": True},
            ["--backend", "simulate", "--sandbox", "none", "--include-dirty"],
        ),
        (
            {"model": "gpt-5.2", "provider": "openai"},
            ["--backend", "simulate", "--model", "gpt-5.2", "--sandbox", "none"],
        ),
        (
            {"model": "gpt-5.2", "provider": "openrouter"},
            ["--backend", "simulate", "--model", "gpt-5.2", "--provider", "openrouter"]
            + ["--sandbox", "none"],
        ),
        ({"goal": "Print\nit"}, None),
    ],
)
def test_command_for_another_run_has_the_options_of_the_run(
    tmp_path: Path, more: dict[str, Any], options: list[str] | None
) -> None:
    file = make_project(tmp_path / "project") / "pipeline.dot"
    opened = open_project(file.parent)
    ended = asyncio.run(
        start(RunRequest(file=file, backend="simulate", sandbox="none", **more), opened)
    )
    again = read_next_step_facts(ended, opened.runs_dir).again
    assert shlex.split(again) == (["attractor", "run", str(file), *options] if options else [])


def test_command_for_another_run_of_the_gallery_has_its_name_and_test_command(
    tmp_path: Path,
) -> None:
    opened = open_project(make_project(tmp_path / "project"))
    chosen = RunRequest(
        file=find_in_gallery("feature"),
        gallery="feature@0.1.0",
        inputs={"test": "test -f readme.txt"},
        backend="simulate",
        sandbox="none",
    )
    again = read_next_step_facts(asyncio.run(start(chosen, opened)), opened.runs_dir).again
    words = ["attractor", "run", "gallery:feature", "--backend", "simulate", "--sandbox", "none"]
    assert shlex.split(again) == [*words, "--input=test=test -f readme.txt"]
