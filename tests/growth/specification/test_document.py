from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from attractor.growth.desires import UserDesire
from attractor.growth.errors import InvalidSpec
from attractor.growth.morph import apply_morphs
from attractor.growth.normalize.structured import add_desires
from attractor.growth.plain_text import faults_of_text
from attractor.growth.specification.document import SECTIONS, graph_of, read_document
from attractor.growth.specification.document_writer import write_document
from attractor.growth.specification.files import node_text, parse_node
from attractor.growth.specification.graph import Relation, SpecGraph, slug
from attractor.growth.specification.names import faults_of_name
from attractor.growth.specification.node_kind import kinds_in
from tests.counts import count
from tests.growth.seed import FARM, farm
from tests.growth.sequences import GUARDED, random_sequence


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


LISTS = {
    section: {kind.key: name for name, kind in kinds_in(section).items()} for section in SECTIONS
}
# A text is in one script: others are refused.
ALPHABETS = ("aZéß09 :-#'\"{}[]&*!|>%@,?\n\t", "分诊契約 。", "Яд ё", "سلام ", "αβγ ", "🐄🎻 1")
WORDS = (
    st.one_of([st.text(one, min_size=1, max_size=12) for one in ALPHABETS])
    .filter(str.strip)
    .filter(lambda one: not [*faults_of_text(one)])
)
SHORT = WORDS.filter(lambda one: not [*faults_of_name(one)])


@given(st.data())
@settings(max_examples=count(ci=40, full=1000), deadline=None)
def test_graph_with_renamed_and_moved_entries_comes_back_from_its_document(
    data: st.DataObject,
) -> None:
    document: dict[str, Any] = {
        section: {key: data.draw(st.lists(SHORT, max_size=3)) for key in keys}
        for section, keys in LISTS.items()
        if section not in ("data_contracts", "workflows")
    }
    parts, desires = data.draw(st.lists(SHORT, max_size=3)), data.draw(st.lists(WORDS, max_size=2))
    document["workflows"] = {
        "pipelines": [{"name": one, "steps": ["a", one]} for one in parts],
        "outputs": data.draw(st.lists(WORDS, max_size=3)),
    }
    document["data_contracts"] = {"entities": [{"name": one, "fields": ["b"]} for one in parts]}
    tests = [{"name": one, "tests": ["deployment"]} for one in desires]
    graph = graph_of(
        {"identity": {"purpose": "p"}, **document, "desires": desires, "acceptance_tests": tests}
    )
    for id_ in data.draw(st.lists(st.sampled_from(list(graph)), max_size=4)):
        if "name" in graph[id_].fields:
            graph = graph.replace(graph[id_].with_fields(name=data.draw(SHORT)))
    for id_ in SECTIONS:
        moved = data.draw(st.permutations(graph.children_ids(id_)))
        graph = graph.replace(graph[id_].with_targets(Relation.CONTAINS, moved))
    assert read_document(write_document(graph)).spec_hash == graph.spec_hash


def test_grown_specification_comes_back_from_its_document() -> None:
    for seed in range(count(ci=30, full=600)):
        graph = apply_morphs(GUARDED, random_sequence(seed, GUARDED))
        graph, _ = add_desires(graph, [UserDesire(goal="weigh twice", outputs=("a list",))])
        assert read_document(write_document(graph)).spec_hash == graph.spec_hash, seed


def test_renamed_entry_has_its_id_and_an_order_is_kept() -> None:
    graph = farm(
        ('"web", ', "{name: Browser, id: web}, "), ("devices:", "retention: [a year]\n  devices:")
    )
    assert graph["web"].name == "Browser"
    text = f"{FARM}order: {{deployment: [mobile]}}"
    assert read_document(text).children_ids("deployment") == ("mobile", "web")
    swapped = graph["deployment"].with_targets(Relation.CONTAINS, ["a_year", "web", "mobile"])
    document = write_document(graph.replace(swapped))
    assert "name: Browser\n    id: web\n" in document
    assert "order:\n  deployment:\n  - a_year\n" in document


def test_model_chooses_no_ids() -> None:
    entry = {"deployment": {"devices": [{"name": "Web", "id": "triage"}]}}
    with pytest.raises(InvalidSpec, match="id: unknown key"):
        graph_of({"identity": {"purpose": "p"}, **entry}, quotes={})


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
        ('"web"', "{name: web, id: contract}", "the id 'contract' is taken", "another"),
        ('"web"', "{name: web, id: safety}", "the id 'safety' is taken", "another"),
        ('"web"', "{name: web, id: ../web}", "invalid id '../web'", "write NAME"),
        ('"sku"', "{name: sku, id: sku}", "invalid id 'sku'", "write contract.NAME"),
        (
            "personalization:",
            "order: {safety: [web]}\npersonalization:",
            "unknown id 'web'",
            "no_h",
        ),
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
