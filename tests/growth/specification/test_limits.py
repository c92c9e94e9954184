"""Limits of a specification: read, printed back, refused with a clear line, edited by hand."""

from collections.abc import Mapping
from typing import Any

import pytest

from attractor.base.errors import AttractorError
from attractor.growth.limit_rules import Limit
from attractor.growth.morph import apply_morphs, read_morph
from attractor.growth.plans.hand_edits import morphs_of_edits
from attractor.growth.specification.document import read_document
from attractor.growth.specification.document_writer import write_document
from attractor.growth.specification.graph_check import check_graph
from attractor.growth.specification.limits import read_limit
from tests.tables import table

TEXT = """
identity: {purpose: Book repairs}
data_contracts:
  entities:
    - name: Booking
      fields: [Session, {name: Seat, type: integer},
        {name: Begin, type: date}, {name: End, type: date}]
      limits:
        - {name: Full, at_most: 5, of: [session]}
        - {name: Seats, between: [1, 300], of: [Seat]}
        - {name: Ends later, not_before: Begin, of: [End]}
    - {name: Other, fields: [Session, {name: Seat, type: integer}, {name: Row, type: integer}]}
"""
SPEC = read_document(TEXT)


def test_limit_names_fields_of_its_entity_and_is_printed_back() -> None:
    assert read_limit(SPEC, SPEC["full"]) == Limit("full", "Full", "at_most", ("session",), (5,))
    assert read_limit(SPEC, SPEC["seats"]).values == (1, 300)
    limit = {"type": "add_limit", "entity": "Booking", "name": "A seat", "unique": True}
    new = read_morph({**limit, "of": ["seat", "Session"]})
    rename = read_morph({"type": "rename", "node": "booking.session", "name": "Evening"})
    field = read_morph({"type": "add_field", "entity": "Booking", "name": "Note"})
    grown = apply_morphs(SPEC, [new, rename, field])
    assert read_document(write_document(grown)).spec_hash == grown.spec_hash
    edits = morphs_of_edits(grown, SPEC)
    assert "drop_limit" in [one["type"] for one in edits.proposal.to_dict()["morphs"]]
    assert morphs_of_edits(SPEC, apply_morphs(SPEC, [new])).proposal.morphs == (
        new.model_copy(update={"entity": "booking", "of": ("booking.seat", "booking.session")}),
    )


@table(
    "old, new, fault",
    [
        ("of: [session]", "of: [Kind]", ":9: .*booking has no field 'Kind'"),
        ("at_most: 5", "at_most: few", "limit full: at_most 'few' is no number"),
        ("at_most: 5", "at_most: 5, unique: true", "limit full: has at_most and unique"),
        ("at_most: 5, ", "", "limit full: has no rule"),
        ("[1, 300]", "[300, 1]", "limit seats: its first value is the larger one"),
        ("[1, 300]", "[1]", "limit seats: has 1 values"),
        ("[1, 300]", "[1, many]", "limit seats: 'many' is no integer"),
        ("of: [Seat]", "of: [session]", "limit seats: a text has no order"),
        ("not_before: Begin", "not_before: Seat", "limit ends_later: seat has another type"),
        ("not_before: Begin", "not_before: soon", "'soon' is no date"),
    ],
)
def test_limit_without_sense_is_refused(old: str, new: str, fault: str) -> None:
    with pytest.raises(AttractorError, match=fault):
        read_document(TEXT.replace(old, new, 1))


@table(
    "morph, fault",
    [
        ({"field": "session"}, "'booking.session' is in use: full limits it"),
        ({"field": "begin"}, "limit ends_later: 'Begin' is no date"),
        ({"type": "retype_field", "field": "seat", "field_type": "text"}, "a text has no order"),
        ({"type": "add_limit", "name": "x", "of": ["seat"]}, "limit x: has no rule"),
    ],
)
def test_morph_that_leaves_a_limit_without_its_field_is_refused(
    morph: Mapping[str, Any], fault: str
) -> None:
    with pytest.raises(AttractorError, match=fault):
        apply_morphs(SPEC, [read_morph({"type": "drop_field", "entity": "Booking", **morph})])


@table(
    "rule",
    [
        {"unique": True},
        {"at_most": 2},
        {"not_before": "Row"},
        {"not_before": "Seat", "of": ["row"]},
    ],
)
def test_limit_that_would_tell_what_only_some_see_is_refused(rule: Mapping[str, Any]) -> None:
    limit = {"type": "add_limit", "entity": "Other", "name": "Once", "of": ["Seat"], **rule}
    role = {"type": "add_role", "name": "Helper", "sees": ["other.seat"]}
    for morphs in ([limit, role], [role, limit]):
        with pytest.raises(AttractorError, match=r"other\.seat is seen by some roles only"):
            check_graph(apply_morphs(SPEC, [read_morph(one) for one in morphs]))
