import pytest

from attractor.growth.errors import InvalidSpec, UnknownSpecNode
from attractor.growth.specification.graph import (
    Author,
    Provenance,
    Relation,
    SpecEdge,
    SpecGraph,
    SpecNode,
    slug,
)
from attractor.growth.specification.graph_check import check_graph
from tests.growth.seed import farm
from tests.tables import table


def test_hashes_leave_provenance_out_and_change_up_to_the_root() -> None:
    graph = farm()
    gate = graph["phi_gate"]
    signed = SpecNode(gate.id, gate.kind, gate.fields, gate.edges, Provenance(Author.PERSON))
    assert graph.replace(signed).spec_hash == graph.spec_hash
    changed = graph.replace(gate.with_fields(rule="no locked block"))
    differing = {one for one in graph if graph.subtree_hash(one) != changed.subtree_hash(one)}
    assert differing == {"domain", "workflows", "contract_allocation", "phi_gate"}
    assert SpecGraph(changed.values()).spec_hash == changed.spec_hash


def test_the_name_changes_and_the_id_stays() -> None:
    graph = farm()
    renamed = graph.replace(graph["phi_gate"].with_fields(name="Harvest gate"))
    assert renamed.find("Harvest gate").id == "phi_gate"


def test_a_removed_node_leaves_no_relation_behind() -> None:
    graph = farm().replace(removed=["phi_gate"])
    check_graph(graph)
    assert graph["yield_forecast"].targets(Relation.PRECEDES) == ()
    assert "phi_gate" not in graph.children_ids("contract_allocation")


def test_words_find_a_node() -> None:
    graph = farm()
    assert graph.find("yield_forecast") is graph.find("Yield forecast")
    with pytest.raises(UnknownSpecNode, match="unknown step 'contract'"):
        graph.find("contract", "step")
    with pytest.raises(UnknownSpecNode) as caught:
        graph.find("yeild_forecast")
    assert caught.value.hint == "did you mean yield_forecast?"


@table(
    ("node", "fault"),
    [
        (
            SpecNode("web", "device", {}, (SpecEdge(Relation.SHOWS, "x"),)),
            "leads to unknown node 'x'",
        ),
        (SpecNode("lost", "device", {}), "'lost' is contained in no node"),
        (
            SpecNode("web", "device", {}, (SpecEdge(Relation.CONTAINS, "mobile"),)),
            "contained twice",
        ),
    ],
)
def test_a_graph_is_one_tree(node: SpecNode, fault: str) -> None:
    with pytest.raises(InvalidSpec, match=fault):
        check_graph(farm().replace(node))


def test_slugs_split_words() -> None:
    words = ["SprayEvent", "PHI gate", "No harvest (2)", "Überschuß", "契約"]
    assert [slug(one) for one in words] == [
        "spray_event",
        "phi_gate",
        "no_harvest_2",
        "uberschu",
        "",
    ]
