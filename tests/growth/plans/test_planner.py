"""A model plans, over real HTTP with a provider twin; rules check its answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from attractor.base.errors import AttractorError, ExitCode
from attractor.growth.api.plans import plan
from attractor.growth.control_plane import ControlPlane
from attractor.growth.desires import UserDesire
from attractor.growth.errors import ModelAnswerRefused, PlanRefused
from attractor.growth.lineage import next_stage, write_stage
from attractor.growth.model_answers import MOST_ANSWERS
from attractor.growth.plans.feedback import AppFeedback, NodeCounts, load_feedback, save_feedback
from attractor.growth.specification.graph import SpecGraph
from attractor.twins.pytest_plugin import StartTwin, provider_twin as provider_twin
from tests.growth.app import GATED, PROPOSAL, make_app
from tests.growth.model import objects, project_with_model, questions
from tests.growth.seed import farm
from tests.growth.test_lineage import plan_of

DESIRE = UserDesire(
    goal="reserve tuesday contracts first",
    constraints=("phi compliant",),
    outputs=("packlists", "invoices"),
)
CLAIM = {**PROPOSAL, "morphs": [{"type": "add_source", "name": "x", "level": "goal"}]}
MORE = {**PROPOSAL, "risk": "low"}
UNKNOWN = {**PROPOSAL, "morphs": [{"type": "set_purpose", "purpose": "a mouse"}]}


def _app(
    tmp_path: Path,
    start: StartTwin,
    *answers: object,
    graph: SpecGraph | None = None,
    **more: str,
) -> tuple[ControlPlane, Any]:
    twin = start(objects(*answers))
    made = make_app(tmp_path / "app", graph, **more)
    return ControlPlane(project_with_model(twin, made.repository)), twin


def test_answer_has_plan_id_morphs_and_tests(provider_twin: StartTwin, tmp_path: Path) -> None:
    app, twin = _app(tmp_path, provider_twin, PROPOSAL)
    save_feedback(AppFeedback({"phi_gate": NodeCounts(runs=7, guard_hits=2)}), app.folder)
    answer = plan(app, "HEAD", [DESIRE])
    assert {key: answer[key] for key in answer if key != "plan_id"} == PROPOSAL
    stored = app.plans.load(str(answer["plan_id"]))
    assert stored.desires == (DESIRE,)
    assert [one.name for one in stored.base.of_kind("desire")] == [DESIRE.goal]
    asked = json.dumps(questions(twin)[0].body)
    for words in ("reserve tuesday contracts first", "insert_gate {name: text, after: text", "7"):
        assert words in asked
    # The feedback belongs to this plan only.
    assert load_feedback(app.folder) is None
    assert load_feedback(app.plans.folder_of(stored.id))


def test_wrong_answers_go_back_with_the_reason(provider_twin: StartTwin, tmp_path: Path) -> None:
    app, twin = _app(tmp_path, provider_twin, CLAIM, MORE, PROPOSAL)
    assert plan(app, "HEAD", [DESIRE])["morphs"] == PROPOSAL["morphs"]
    assert len(questions(twin)) == MOST_ANSWERS
    assert "level: extra inputs are not permitted" in json.dumps(questions(twin)[1].body)


@pytest.mark.parametrize("answers", [[UNKNOWN], [CLAIM], [MORE], ["I cannot."], [{"morphs": []}]])
def test_an_invalid_answer_ends_after_two_repairs(
    answers: list[object], provider_twin: StartTwin, tmp_path: Path
) -> None:
    app, twin = _app(tmp_path, provider_twin, *answers)
    with pytest.raises(ModelAnswerRefused):
        plan(app, "HEAD", [DESIRE])
    assert len(questions(twin)) == MOST_ANSWERS
    assert app.plans.ids() == []


def test_a_breach_of_the_identity_is_refused(provider_twin: StartTwin, tmp_path: Path) -> None:
    gone = {"morphs": [{"type": "remove_step", "step": "phi_gate"}], "tests": []}
    graph = farm(
        ("safety_envelope: [", 'safety_envelope: ["No harvest from PHI locked blocks", '),
    )
    development = GATED.replace('"harvest"', '"packlists"')
    app, _ = _app(tmp_path, provider_twin, gone, graph=graph, development=development)
    with pytest.raises(PlanRefused, match="does not pass") as caught:
        plan(app, "HEAD", [DESIRE])
    assert caught.value.exit_code is ExitCode.REFUSED


def test_unclear_nodes_are_refused_until_answered(provider_twin: StartTwin, tmp_path: Path) -> None:
    question = "[NEEDS CLARIFICATION: weekly or monthly?]"
    graph = farm(('- "Invoices"', f'- "Invoices {question}"'))
    node = graph.find(f"Invoices {question}").id
    renamed = {"morphs": [{"type": "rename", "node": node, "name": "Bills"}], "tests": []}
    app, twin = _app(tmp_path, provider_twin, renamed, graph=graph)
    with pytest.raises(PlanRefused, match=r"open question: weekly or monthly\?"):
        plan(app, "HEAD", [DESIRE])
    asked = len(questions(twin))
    unclear = UserDesire(goal=f"bills {question}")
    with pytest.raises(PlanRefused, match="bills"):
        plan(app, "HEAD", [unclear])
    assert len(questions(twin)) == asked == MOST_ANSWERS


def test_a_plan_needs_desires_after_the_first_stage(
    provider_twin: StartTwin, tmp_path: Path
) -> None:
    app, twin = _app(tmp_path, provider_twin, PROPOSAL)
    first = plan(app, "HEAD")
    assert (first["morphs"], first["tests"]) == ([], [])
    assert app.plans.load(str(first["plan_id"])).is_first
    write_stage(next_stage([], plan_of()), app.repository)
    with pytest.raises(AttractorError, match="no desires"):
        plan(app, "HEAD")
    assert not twin.requests
