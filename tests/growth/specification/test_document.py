import pytest
from hypothesis import given, settings, strategies as st

from attractor.growth.errors import InvalidSpec
from attractor.growth.plain_text import faults_of_text
from attractor.growth.specification.document import graph_of, read_document, write_document
from attractor.growth.specification.files import node_text, parse_node
from attractor.growth.specification.graph import Relation, SpecGraph, slug
from attractor.growth.specification.names import faults_of_name
from tests.growth.seed import farm


def test_scalars_stay_text() -> None:
    graph = farm(('"web", "mobile"', "no, 1.10, 2026-01-01"))
    assert [one.name for one in graph.children("deployment", "device")] == [
        *("no", "1.10", "2026-01-01")
    ]
    assert farm(('"RFC style notes"', "null")).find("null").kind == "preference"


def test_every_entry_is_a_node_with_relations() -> None:
    graph = farm(
        ('- "PHI gate"', '- {name: "PHI gate", reads: [SprayEvent], guards: [Packlists]}'),
        ('"Triage", ', '{name: "Triage", shows: [Contract]}, '),
        ('"buyer", ', "{name: buyer, type: text, key: true, pii: true}, "),
    )
    gate = graph.find("phi_gate")
    assert gate.targets(Relation.PRECEDES) == ("allocate_to_contracts",)
    assert gate.targets(Relation.READS) == ("spray_event",)
    assert gate.targets(Relation.GUARDS) == ("packlists",)
    assert graph["triage"].targets(Relation.SHOWS) == ("contract",)
    assert graph["contract.buyer"].fields == {
        **{"name": "buyer", "type": "text", "key": "true", "pii": "true"}
    }
    assert read_document(write_document(graph)).spec_hash == graph.spec_hash


def test_words_in_any_script_are_found() -> None:
    graph = farm(
        ('"Triage", ', "{name: 分诊, shows: [契約]}, "),
        ('"Contract"', "契約"),
        ('"crop", "cultivar"', "品種, 作物"),
    )
    assert [one.name for one in graph.children("block")] == ["品種", "作物", "plant_count"]
    assert graph.find("分诊").targets(Relation.SHOWS) == (graph.find("契約").id,)
    assert read_document(write_document(graph)).spec_hash == graph.spec_hash


_CHARACTERS = st.characters(exclude_categories=["Cs", "Cc", "Cf", "Co"])
TEXTS = (
    st.text(_CHARACTERS, min_size=1)
    .filter(str.strip)
    .filter(lambda one: not [*faults_of_text(one)])
)
NAMES = TEXTS.filter(lambda one: not [*faults_of_name(one)])


@given(
    st.lists(TEXTS, max_size=4), st.lists(NAMES, max_size=4, unique_by=lambda one: slug(one) or one)
)
@settings(max_examples=40, deadline=None)
def test_words_survive_a_document(names: list[str], fields: list[str]) -> None:
    document = {
        "identity": {"purpose": "p", "beneficiaries": names},
        "data_contracts": {"entities": [{"name": "E", "fields": fields}]},
        "safety": {"guardrails": names},
    }
    graph = graph_of(document)
    again = read_document(write_document(graph))
    assert again.spec_hash == graph.spec_hash
    assert [one.name for one in again.children("safety")] == names
    files = [parse_node(node_text(one), place="file") for one in again.values()]
    assert SpecGraph(files).spec_hash == graph.spec_hash


def test_equal_words_get_different_ids() -> None:
    graph = farm(('"Triage", ', '"Triage", "Contract", '))
    assert graph["contract"].kind == "entity"
    assert graph["contract_panel"].kind == "panel"


@pytest.mark.parametrize(
    ("before", "after", "fault", "hint"),
    [
        ("safety:", "safty:", "safty: unknown key", "did you mean safety?"),
        ("  panels:", "  panel:", "interface.panel: unknown key", "did you mean panels?"),
        ('["web", "mobile"]', '"web"', "deployment.devices: not a list", "write a list"),
        ('"web"', "[web]", "deployment.devices[0]: not a mapping", "keys: name"),
        ('"web"', "{name: web, size: 3}", "deployment.devices[0].size: unknown key", "known keys"),
        ('"web"', '""', "deployment.devices[0]: missing name", ""),
        ('"sku"', '"buyer"', "contract has two fields 'buyer'", ""),
        ('"sku"', "{name: sku, type: colour}", "invalid value 'colour'", "use text, integer"),
        ('"Contract"', '"\u0421ontract"', "'\u0421' is CYRILLIC CAPITAL LETTER ES", "one script"),
        ('- "Packlists"', "- {name: P, reads: [Contrat]}", "unknown node 'Contrat'", "contract?"),
        ('purpose: "Farm planning and evidence aware operations"', "", "identity.purpose", "for"),
        (
            "  panels:",
            "  panels: [X]\n  panels:",
            "document:32: duplicate key 'panels'",
            "one place",
        ),
        ('["Farmer"', "[", "while parsing", ""),
        ('["Farmer"', "[" * 5000, "document: nested too deeply", "brackets"),
    ],
)
def test_faults_name_place_and_remedy(before: str, after: str, fault: str, hint: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        farm((before, after))
    assert fault in caught.value.message
    assert hint in caught.value.hint


def test_long_name_is_refused() -> None:
    with pytest.raises(InvalidSpec, match=r"entities\[0\].*: 201 characters; the limit is 200"):
        farm(('"Contract"', f'"{"x" * 201}"'))
    assert farm(('"No harvest', f'"{"x" * 201}'))
