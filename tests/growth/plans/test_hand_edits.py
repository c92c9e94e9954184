"""A specification edited by hand becomes a plan, as far as there are morphs."""

from collections.abc import Mapping

import pytest

from attractor.growth.errors import InvalidMorph, InvalidSpec
from attractor.growth.morph import apply_morphs, read_morph
from attractor.growth.plans.hand_edits import morphs_of_edits
from attractor.growth.specification.graph import Relation
from tests.growth.seed import farm
from tests.tables import table

EDITS: Mapping[str, tuple[tuple[str, str], list[str], list[str]]] = {
    # change of the document, types of the morphs, changes without a morph
    "a panel": (('"Composer"]', '"Composer", "Map"]'), ["add_surface"], []),
    "an entity with fields": (
        (
            "workflows:",
            "    - {name: Van, fields: [no, {name: seats, type: integer, key: true}]}\nworkflows:",
        ),
        ["add_entity"],
        [],
    ),
    "an entity with a type that is the default": (
        ("workflows:", "    - {name: Van, fields: [{name: plate, type: text}]}\nworkflows:"),
        ["add_entity", "add_field"],
        [],
    ),
    "a field with a flag": (
        ('"plant_count"]', '"plant_count", {name: owner, type: text, pii: true}]'),
        ["add_field"],
        [],
    ),
    "flags of a field": (
        ('["crop",', "[{name: crop, key: true, pii: true},"),
        ["retype_field", "retype_field"],
        [],
    ),
    "a step and a gate": (
        ('- "Allocate', '- {name: Gate, guards: [Allocate to contracts]}\n        - "Allocate'),
        ["insert_gate"],
        ["changed step gate.guards: "],
    ),
    "a step less": (('        - "Route plan"\n', ""), ["remove_step"], []),
    "a pipeline": (
        (
            "  pipelines:\n",
            "  pipelines:\n    - {name: Post, steps: [Sort, {name: Send, strategy: x}]}\n",
        ),
        ["add_pipeline", "add_step", "add_step", "allocate"],
        ["moved pipeline"],
    ),
    "a cadence": (('cadence: "nightly"', 'cadence: "hourly"'), ["set_cadence"], []),
    "other words with another id": (
        ('"No jira links"', '"No jira"'),
        ["set_preference"],
        ["removed preference"],
    ),
    "another purpose": (('purpose: "Farm', 'purpose: "Zoo'), [], ["changed domain domain.purpose"]),
    "a device": (('"web", ', ""), [], ["removed device web"]),
}


@table("case", EDITS)
def test_edit_becomes_morphs_or_is_named(case: str):
    change, types, without = EDITS[case]
    found = morphs_of_edits(farm(), farm(change))
    assert [one["type"] for one in found.proposal.to_dict()["morphs"]] == types
    left = [one.describe() for one in found.without_morph]
    assert len(left) == len(without)
    assert all(one.startswith(words) for one, words in zip(left, without, strict=True)), left


def test_edited_words_and_type_keep_the_id():
    base = farm()
    edited = base.replace(
        base["triage"].with_fields(name="Urgent"), base["block.crop"].with_fields(type="integer")
    )
    found = morphs_of_edits(base, edited)
    assert found.proposal.to_dict()["morphs"] == [
        {"type": "retype_field", "entity": "block", "field": "crop", "field_type": "integer"},
        {"type": "rename", "node": "triage", "name": "Urgent"},
    ]
    assert found.without_morph == ()


def test_edited_label_and_totals_become_morphs():
    base = apply_morphs(farm(), [read_morph(COPIES), read_morph(PANEL)])
    panel = base["loads"].with_fields(count="true").with_targets(Relation.SUMS, ["block.copies"])
    edited = base.replace(base["block.crop"].with_fields(shown="What grows"), panel)
    found = morphs_of_edits(base, edited)
    assert found.without_morph == ()
    assert found.proposal.to_dict()["morphs"] == [
        {"type": "rename", "node": "block.crop", "name": "crop", "shown": "What grows"},
        {
            **{"type": "arrange_panel", "panel": "loads", "view": "table"},
            **{"count": True, "sum": ["block.copies"]},
        },
    ]


def test_removed_totals_become_a_morph():
    base = apply_morphs(farm(), [read_morph(COPIES), read_morph(PANEL), read_morph(TOTALS)])
    edited = base.replace(base["loads"].with_fields(count=None))
    found = morphs_of_edits(base, edited)
    assert found.without_morph == ()
    assert found.proposal.to_dict()["morphs"] == [
        {"type": "arrange_panel", "panel": "loads", "view": "table"}
    ]


TOTALS = {"type": "arrange_panel", "panel": "loads", "view": "table", "count": True}
COPIES = {"type": "add_field", "entity": "block", "name": "copies", "field_type": "integer"}
PANEL = {"type": "add_surface", "panels": ["Loads"], "shows": ["block"]}


@table(
    "values",
    [
        {"view": "board", "by": "block.crop", "count": True},
        {"view": "table", "by": "block.crop"},
        {"view": "calendar"},
        {"view": "calendar", "by": "block.crop"},
        {"view": "table", "sum": ["block.crop"]},
    ],
)
def test_arrangement_that_makes_no_sense_is_refused(values: dict[str, object]):
    morphs = [PANEL, {"type": "arrange_panel", "panel": "loads", **values}]
    with pytest.raises((InvalidMorph, InvalidSpec)):
        apply_morphs(farm(), [read_morph(one) for one in morphs])
