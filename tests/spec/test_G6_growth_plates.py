"""An app grows only where its developmental specification permits it (growth, G6)."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import pytest

from attractor.growth.development import OrganKind, check_development, parse_development
from attractor.growth.errors import InvalidDevelopment
from attractor.growth.morph import morph_registry
from attractor.growth.plans.checks import CheckedProposal, FindingKind, check_proposal
from attractor.growth.plans.plan import read_proposal
from tests.growth.app import PROPOSAL
from tests.growth.seed import farm
from tests.tables import table

TEXT = """
[organs.fields]
kind = "ingestors"
nodes = ["evidence_policy", "data_contracts"]

[organs.allocation]
kind = "workflows"
nodes = ["workflows"]

[[plates]]
organ = "fields"
accepts = ["add_source"]

[[plates]]
organ = "allocation"
accepts = ["allocate", "insert_gate"]

[rules.insert_gate]
risk = "high"
level = "mechanism"
tests = ["no harvest from phi locked blocks"]
"""


def _check(morphs: Sequence[Any], *tests: str, text: str = TEXT) -> CheckedProposal:
    proposal = read_proposal({"morphs": list(morphs), "tests": list(tests)})
    return check_proposal(farm(), proposal, parse_development(text))


def test_organs_have_the_kinds_of_the_seed() -> None:
    kinds = ["ingestors", "reasoners", "workflows", "surfaces", "actions", "safety"]
    assert [one.value for one in OrganKind] == kinds


def test_a_morph_without_a_plate_is_refused() -> None:
    *accepted, surface = PROPOSAL["morphs"]
    test = "No harvest from PHI locked blocks"
    assert not _check(accepted, test).findings
    (finding,) = _check([*accepted, surface], test).findings
    assert (finding.kind, finding.hint) == (
        *(FindingKind.PLATE, "types: add_source, allocate, insert_gate"),
    )


def test_refusal_of_a_morph_prints_the_line_that_accepts_it() -> None:
    (finding,) = _check([{"type": "drop_field", "entity": "Block", "field": "crop"}]).findings
    place, _, line = finding.message.partition(": accepts")
    assert place.endswith("in plate 1 (organ fields) of spec/development.toml")
    text = TEXT.replace('accepts = ["add_source"]', f"accepts{line}")
    assert not _check(
        [{"type": "drop_field", "entity": "Block", "field": "crop"}], text=text
    ).findings


def test_new_app_has_plates_for_removals_and_maturity() -> None:
    text = files("attractor.growth.first_app").joinpath("development.toml").read_text()
    accepted = {name for plate in parse_development(text).plates for name in plate.accepts}
    assert accepted == {*morph_registry()}


def test_a_required_test_is_part_of_the_plan_or_of_the_specification() -> None:
    gate = PROPOSAL["morphs"][1]
    (finding,) = _check([gate], "another test").findings
    assert finding.kind is FindingKind.TEST
    assert not _check([gate], "no harvest from PHI locked blocks").findings
    text = TEXT.replace("no harvest from phi locked blocks", "It rains")
    spec = farm(("deployment:\n", 'acceptance_tests: ["It rains"]\ndeployment:\n'))
    proposal = read_proposal({"morphs": [gate], "tests": []})
    assert not check_proposal(spec, proposal, parse_development(text)).findings


def test_rules_set_plate_level_and_risk() -> None:
    gate, source = _check([PROPOSAL["morphs"][1], PROPOSAL["morphs"][0]]).morphs
    assert (gate.plate, gate.level, gate.risk) == ("allocation", "mechanism", "high")
    assert (source.plate, source.level, source.risk) == ("fields", "mechanism", "low")


@table(
    ("before", "after", "fault"),
    [
        ('kind = "workflows"', 'kind = "lungs"', "lungs"),
        ('organ = "fields"', 'organ = "heart"', "unknown organ 'heart'"),
        ('accepts = ["add_source"]', 'accepts = ["add_purpose"]', "unknown morph 'add_purpose'"),
        ('risk = "high"', 'risk = "none"', "risk"),
        ("[rules.insert_gate]", "[rules.insert_gate]\nmodel = 1", "model"),
        ("[rules.insert_gate]", "[rules.insert_gates]", "unknown morph 'insert_gates'"),
    ],
)
def test_an_invalid_file_is_refused(before: str, after: str, fault: str) -> None:
    assert before in TEXT
    with pytest.raises(InvalidDevelopment, match=fault):
        parse_development(TEXT.replace(before, after))


@pytest.mark.parametrize(
    ("text", "node"),
    [
        (TEXT.replace('"workflows"]', '"wings"]'), "wings"),
        (f'{TEXT}[[identity]]\nline = "x"\nguardrail = "gone"\n', "gone"),
    ],
)
def test_a_name_that_the_specification_lacks_is_refused(text: str, node: str) -> None:
    with pytest.raises(InvalidDevelopment, match=node):
        check_development(parse_development(text), farm())
    (finding,) = _check([PROPOSAL["morphs"][0]], text=text).findings
    assert finding.kind is FindingKind.DEVELOPMENT
