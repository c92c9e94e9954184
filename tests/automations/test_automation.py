"""Records of automations: their inputs, and what others may set of them."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attractor.automations.automation import (
    AfterPromotion,
    Automation,
    TicketCommand,
    default_schema,
    require_inputs,
)
from attractor.automations.errors import InvalidAutomation
from attractor.automations.start import check_automation
from attractor.base.errors import AttractorError
from attractor.base.records import read_record, write_record
from attractor.factory.open_project import OpenProject
from attractor.language.declarations.inputs import read_inputs
from tests.automations.desk import automation_in, make_opened
from tests.tables import table

DECLARED = read_inputs("where=here, ticket, times:int=1, key:secret").inputs
TICKETS = TicketCommand("true")


@pytest.fixture
def opened(tmp_path: Path) -> OpenProject:
    return make_opened(tmp_path / "project")


def test_record_is_read_as_it_was_written(opened: OpenProject) -> None:
    automation = automation_in(
        opened,
        promotion=AfterPromotion(branch="main"),
        tickets=TICKETS,
        schema=default_schema(DECLARED, {}),
        max_duration="90m",
    )
    again = read_record(Automation, write_record(automation))
    assert again == automation
    assert (again.digest, str(again.budgets)) == (automation.digest, "1h 30m")
    assert replace(again, max_tokens=1).digest != automation.digest


def test_default_schema_has_the_inputs_that_nobody_fixed(opened: OpenProject) -> None:
    schema = default_schema(DECLARED, {"where": "there"})
    automation = replace(automation_in(opened), schema=schema)
    assert automation.texts_of({"ticket": "A-1"}, str) == {"ticket": "A-1"}
    wrong: Mapping[str, tuple[dict[str, Any], str]] = {
        "fixed": ({"ticket": "A", "where": "out"}, "where is unknown"),
        "missing": ({}, "ticket is missing"),
        "own": ({"ticket": "A", "times": 3}, "times is unknown"),
        "secret": ({"ticket": "A", "key": "12345678"}, "key is unknown"),
        "nested": ({"ticket": {"$ref": "x"}}, "ticket must be string, not object"),
    }
    for inputs, words in wrong.values():
        with pytest.raises(InvalidAutomation, match=words):
            automation.texts_of(inputs, str)


def test_input_that_the_schema_does_not_name_is_refused(opened: OpenProject) -> None:
    automation = replace(automation_in(opened), schema={"type": "object"})
    with pytest.raises(InvalidAutomation, match="key is unknown"):
        automation.texts_of({"key": "12345678"}, str)


@table(
    ("fields", "words"),
    [
        ({"inputs": {"colour": "red"}}, "unknown input 'colour'"),
        ({"inputs": {"times": "many"}}, "invalid value 'many' of the input times"),
        ({"inputs": {"key": "12345678"}}, "the input key is a secret"),
        ({"schema": {"properties": {"key": {}}}}, "the input key is a secret"),
    ],
)
def test_invalid_inputs_are_refused(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    opened = make_opened(tmp_path / "project")
    with pytest.raises(InvalidAutomation, match=words):
        require_inputs(automation_in(opened, **fields), DECLARED)


def test_input_that_requests_set_may_be_missing(opened: OpenProject) -> None:
    bare = replace(automation_in(opened), inputs={})
    with pytest.raises(InvalidAutomation, match="missing input ticket"):
        require_inputs(bare, DECLARED)
    require_inputs(replace(bare, has_http=True), DECLARED)


@table(
    ("fields", "words"),
    [
        ({"schedule": None}, "nothing starts the automation nightly"),
        ({"tickets": TicketCommand("true", "1s")}, "would run too often"),
        ({"tickets": TicketCommand("true", "often")}, "often"),
        ({"tickets": TICKETS, "issue_label": "fix"}, "both tickets and issues"),
        (
            {"issue_label": "fix", "schema": {"required": ["x"]}},
            "does not set the input x",
        ),
        ({"profile": "none"}, "unknown profile 'none'"),
        ({"pipeline": "none.dot"}, "none.dot"),
        ({"pipeline": "../pipeline.dot"}, "pipeline.dot"),
        ({"pipeline": "plan@7"}, "plan"),
        ({"schema": {"type": "unknown"}}, "invalid JSON schema"),
    ],
)
def test_automation_that_could_start_no_run_is_refused(
    tmp_path: Path, fields: dict[str, Any], words: str
) -> None:
    opened = make_opened(tmp_path / "project")
    with pytest.raises(AttractorError, match=words):
        asyncio.run(check_automation(replace(automation_in(opened), **fields), opened))


@table(
    ("promotion", "is_met"),
    [
        (AfterPromotion("plan"), True),
        (AfterPromotion("fix"), False),
        (AfterPromotion("", "main"), True),
        (AfterPromotion("plan", "next"), False),
    ],
)
def test_promotion_of_a_pipeline_or_to_a_branch_is_met(
    promotion: AfterPromotion, is_met: bool
) -> None:
    assert promotion.is_met_by({"pipeline": "plan", "branch": "main"}) is is_met
