import pytest

from attractor.growth.desires import UserDesire
from attractor.growth.errors import InvalidDesire
from attractor.growth.normalize.structured import add_desires, normalize_desires
from attractor.growth.specification.clarifications import adds_only_desires, clarifications_of
from attractor.growth.specification.document import read_document
from attractor.growth.specification.document_writer import document_of, write_document
from attractor.growth.specification.graph import Relation
from attractor.growth.specification.graph_check import check_graph
from tests.growth.seed import farm

DESIRE = UserDesire(
    goal="reserve tuesday contracts first",
    constraints=("phi compliant",),
    trusted_sources=("gov data",),
    outputs=("packlists", "invoices"),
    cadence="nightly",
    preferences=("no jira links",),
)


def test_the_lines_of_desires_become_nodes_by_the_table() -> None:
    other = UserDesire(goal="bill buyers", outputs=("Invoices",), cadence="nightly")
    graph = normalize_desires([DESIRE, other, DESIRE])
    check_graph(graph)
    document = document_of(graph)
    assert document.pop("desires") == [
        {"goal": "reserve tuesday contracts first", **DESIRE.to_dict()},
        other.to_dict(),
    ]
    first = ["reserve_tuesday_contracts_first"]
    assert document == {
        "identity": {"purpose": "reserve tuesday contracts first"},
        "evidence_policy": {"sources": [{"name": "gov data", "derives_from": first}]},
        "workflows": {
            "outputs": [
                {"name": "packlists", "derives_from": first},
                {"name": "invoices", "derives_from": [*first, "bill_buyers"]},
            ]
        },
        "safety": {"guardrails": [{"name": "phi compliant", "derives_from": first}]},
        "personalization": {"preferences": [{"name": "no jira links", "derives_from": first}]},
        "deployment": {"cadence": "nightly"},
    }
    guardrail = graph["phi_compliant"]
    assert (guardrail.provenance.desire, guardrail.provenance.words) == (*first, "phi compliant")
    assert read_document(write_document(graph)).spec_hash == graph.spec_hash


def test_different_cadences_are_an_open_question() -> None:
    graph = normalize_desires([DESIRE, UserDesire(goal="bill buyers", cadence="weekly")])
    assert [(one.node, one.question) for one in clarifications_of(graph)] == [
        ("deployment", "nightly or weekly?")
    ]


def test_a_base_gets_desires_and_nothing_else() -> None:
    base = farm()
    graph, ids = add_desires(base, [DESIRE])
    assert graph.keys() - base.keys() == set(ids) == {"reserve_tuesday_contracts_first"}
    assert {one for one in base if graph[one] != base[one]} == {"domain"}
    assert set(graph.root.targets(Relation.CONTAINS)) - set(base.root.targets(Relation.CONTAINS))
    assert adds_only_desires(base, graph)
    assert add_desires(graph, [DESIRE]) == (graph, ids)


def test_no_desire_is_refused() -> None:
    with pytest.raises(InvalidDesire, match="no desire"):
        normalize_desires([])


def test_ids_of_long_words_are_names_of_files() -> None:
    goal = "I want " + "very " * 100 + "[NEEDS CLARIFICATION: how many?] eggs"
    [id_] = add_desires(farm(), [UserDesire(goal=goal)])[1]
    assert len(id_) <= 60
    assert "clarification" not in id_
