"""Roles in a document, in morphs, in edits by hand, in collisions and in the identity."""

from collections.abc import Mapping

import pytest
import yaml

from attractor.growth.errors import InvalidMorph
from attractor.growth.identity import Binding, find_breaches
from attractor.growth.morph import Level, Morph, Risk, add_child, new_node, read_morph
from attractor.growth.plans.collisions import find_collision
from attractor.growth.plans.hand_edits import morphs_of_edits
from attractor.growth.plans.plan import Plan, PlannedMorph
from attractor.growth.specification.document import read_document
from attractor.growth.specification.document_writer import write_document
from attractor.growth.specification.graph import Relation, SpecGraph
from attractor.growth.specification.rights import may_see, sees_all
from tests.growth.apps.lending import LENDING
from tests.tables import table

KEEPER = {"type": "add_role", "name": "Keeper", "sees": ["Tool"], "edits": ["Loan"]}
GUEST = {"type": "add_role", "name": "Guest"}


def grown(*morphs: object, graph: SpecGraph = LENDING) -> SpecGraph:
    for one in morphs:
        assert isinstance(one, dict)
        graph = read_morph(one).apply(graph)  # type: ignore[arg-type]
    return graph


def test_document_keeps_rights_and_bare_names() -> None:
    text = write_document(grown(KEEPER, GUEST))
    roles = yaml.safe_load(text)["interface"]["roles"]
    assert roles == ["Guest", {"name": "Keeper", "sees": ["tool"], "edits": ["loan"]}]
    graph = read_document(text)
    assert graph.spec_hash == grown(KEEPER, GUEST).spec_hash
    assert [sees_all(graph[one]) for one in ("keeper", "guest", "tool")] == [False, True, False]
    seen = [one for one in ("tool", "loan", "wish", "tools") if may_see(graph["keeper"], one)]
    assert seen == ["tool", "loan"]


def test_add_role_replaces_the_rights_of_an_existing_one() -> None:
    assert read_morph(GUEST).risk is Risk.HIGH
    graph = grown(KEEPER, {**KEEPER, "sees": ["Wishes"], "edits": []})
    assert [edge.to for edge in graph["keeper"].edges] == ["wishes"]
    # An entity with the name of the role keeps its id.
    named = grown({"type": "add_role", "name": "Neighbour", "does": ["Lending"]})
    assert (named["neighbour"].kind, named["neighbour_role"].kind) == ("entity", "role")
    shed = {"type": "add_entity", "name": "Shed", "fields": ["place"]}
    # Without its only right, the role would be a bare name, which sees everything.
    with pytest.raises(InvalidMorph, match="'shed' is in use: warden edits it"):
        grown(
            *(shed, {"type": "add_role", "name": "Warden", "edits": ["Shed"]}),
            {"type": "drop_entity", "entity": "Shed"},
        )


@table("edited", [(KEEPER, GUEST), (KEEPER, {**KEEPER, "does": ["Lending"], "edits": []})])
def test_edit_by_hand_becomes_a_morph(edited: tuple[dict[str, object], ...]) -> None:
    before = grown(edited[0])
    after = grown(edited[1], graph=before)
    found = morphs_of_edits(before, after)
    assert found.without_morph == ()
    assert len(found.proposal.morphs) == 1


FORBIDDEN = (
    *[("keeper", "sees", "tool"), ("keeper", "sees", "loan"), ("keeper", "edits", "loan")],
    ("guest", "sees", "wish"),
)


@table("forbidden", FORBIDDEN)
def test_identity_may_forbid_a_right(forbidden: tuple[str, str, str]) -> None:
    binding = Binding.model_validate({"line": "x", "forbidden": forbidden})
    (breach,) = find_breaches(LENDING, grown(KEEPER, GUEST), [binding])
    assert breach.message == f"{' '.join(forbidden)}, which is forbidden"
    other = Binding.model_validate({"line": "x", "forbidden": ("keeper", "sees", "wish")})
    assert find_breaches(LENDING, grown(KEEPER, GUEST), [other]) == []


DETOURS: Mapping[str, tuple[dict[str, object], tuple[str, str, str], str]] = {
    "panel": (
        {"sees": ["Tools"]},
        ("keeper", "sees", "tool"),
        "keeper sees tools, which shows tool, which is forbidden",
    ),
    "output": (
        {"sees": ["Lent"]},
        ("keeper", "sees", "loan"),
        "keeper sees lent, which shows loan, which is forbidden",
    ),
    "button": (
        {"does": ["Lend again"]},
        ("keeper", "does", "lending"),
        "keeper does lend_again, which runs steps of lending, which is forbidden",
    ),
    "button of a step": ({"does": ["Lend without more"]}, ("keeper", "does", "lending"), "keeper"),
    "pipeline of a button": ({"does": ["Lending"]}, ("keeper", "does", "lend_again"), "keeper"),
    "other panel": ({"sees": ["Due back"]}, ("keeper", "sees", "tool"), ""),
    "button without steps": ({"sees": ["Tools"]}, ("keeper", "does", "lending"), ""),
}


@table("detour", DETOURS)
def test_identity_forbids_a_right_by_a_detour(detour: str) -> None:
    rights, forbidden, message = DETOURS[detour]
    output = new_node(LENDING, "Lent", "output").with_targets(Relation.READS, ["loan.tool"])
    before = add_child(LENDING, "workflows", output)
    after = grown({"type": "add_role", "name": "Keeper", **rights}, graph=before)
    binding = Binding.model_validate({"line": "x", "forbidden": forbidden})
    found = [one.message for one in find_breaches(before, after, [binding])]
    assert len(found) == bool(message)
    assert all(one.startswith(message) for one in found)


def plan_of(id_: str, morph: Morph) -> Plan:
    return Plan(id_, LENDING, (PlannedMorph(morph, "app", Level.MECHANISM, Risk.LOW),), (), "hash")


def test_role_collides_with_a_new_flag_of_what_it_sees() -> None:
    flag = {"type": "retype_field", "entity": "Tool", "field": "note", "pii": True}
    plans = plan_of("gp-1", read_morph(KEEPER)), plan_of("gp-2", read_morph(flag))
    collision = find_collision(*plans, [])
    assert collision
    assert "tool.note" in collision.reason
