"""A model proposes morphs and tests for desires; rules check them (rulings G6 to G8).

`grow plan` asks the model of the settings, outside of a run. In `growth.dot` an agent of the
crew plans, with the same types and required tests: `crew/roles/planner.py`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attractor.base.json import JsonObject
from attractor.growth.desires import UserDesire
from attractor.growth.development import DevelopmentalSpec
from attractor.growth.errors import ModelAnswerRefused
from attractor.growth.model_answers import HOW_TO_CHOOSE, ask_model, try_model
from attractor.growth.morph import morph_registry, parameters_of
from attractor.growth.plans.checks import Finding, check_proposal, refusal
from attractor.growth.plans.feedback import AppFeedback
from attractor.growth.plans.plan import Proposal, read_proposal
from attractor.growth.specification.document_writer import write_document
from attractor.growth.specification.graph import SpecGraph
from attractor.growth.specification.store import spec_id
from attractor.pipeline.project.project import Project

_INSTRUCTION = Path(__file__).with_suffix(".md")


async def propose(
    project: Project,
    graph: SpecGraph,
    desires: Sequence[UserDesire],
    development: DevelopmentalSpec,
    feedback: AppFeedback | None,
    *,
    without_desires: str = "",
) -> Proposal:
    """Return the proposal of a model; findings of the rules go back to it, twice.

    `without_desires` is the id of a first specification that needs no model, if there is one.

    Raise PlanRefused if the rules refuse the last proposal, too.
    """
    findings: Sequence[Finding] = ()

    def read(answer: JsonObject) -> Proposal:
        nonlocal findings
        findings = ()
        proposal = read_proposal(answer)
        findings = check_proposal(graph, proposal, development).findings
        if findings:
            raise refusal(findings)
        return proposal

    data = {
        "planner input": _json(
            {"spec_graph_id": spec_id(graph), "new_desires": [one.to_dict() for one in desires]}
        ),
        "specification": write_document(graph),
    }
    if feedback:
        data["feedback"] = _json(feedback.to_dict())
    lines = [_INSTRUCTION.read_text("utf-8"), "Types of morphs:", ""]
    lines += [f"- {line}" for line in describe_types(development)]
    rules = [f"- {test}" for test in required_tests(development)]
    instruction = "\n".join([*lines, *(["", "Required tests:", "", *rules] if rules else [])])
    schema = _schema(development)
    plain = f"; plan without the desires: attractor grow plan {without_desires}"
    hint = HOW_TO_CHOOSE + (plain if without_desires else "")
    await try_model(project, purpose="the plan", hint=hint)
    try:
        answer = await ask_model(project, instruction, data, schema, read, purpose="the plan")
    except ModelAnswerRefused as cause:
        if findings:
            raise refusal(findings) from cause
        raise
    return answer.value


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)


def _accepted(development: DevelopmentalSpec) -> Sequence[str]:
    return sorted({name for plate in development.plates for name in plate.accepts})


def describe_types(development: DevelopmentalSpec) -> Sequence[str]:
    """Return a line for each type of morphs that a plate accepts: parameters and summary."""
    return [
        f"{name} {{{', '.join(map(str, parameters_of(name)))}}}: {morph_registry().summary(name)}"
        for name in _accepted(development)
    ]


def required_tests(development: DevelopmentalSpec) -> Sequence[str]:
    """Return a line for each test that the rules require of a type of morphs."""
    rules = sorted(development.rules.items())
    return [f"{name}: {test}" for name, rule in rules for test in rule.tests]


def _schema(development: DevelopmentalSpec) -> JsonObject:
    morph = {
        "type": "object",
        "properties": {"type": {"enum": _accepted(development)}},
        "required": ["type"],
    }
    keys: Mapping[str, Any] = {
        "morphs": {"type": "array", "items": morph},
        "tests": {"type": "array", "items": {"type": "string"}},
    }
    return {
        "type": "object",
        "properties": dict(keys),
        "required": ["morphs", "tests"],
        "additionalProperties": False,
    }
