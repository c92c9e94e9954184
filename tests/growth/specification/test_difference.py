from attractor.growth.morph import apply_morphs
from attractor.growth.specification.difference import compare_specs
from attractor.growth.specification.graph import Relation, SpecGraph
from tests.counts import count
from tests.growth.seed import farm
from tests.growth.sequences import GUARDED, random_sequence


def test_changes_are_described_by_the_specification() -> None:
    before = farm()
    after = farm(
        ('- "PHI gate"\n', '- "PHI gate"\n        - "Cold chain"\n'),
        ('"Triage", "Brief"', '"Brief", "Triage"'),
        ('"sku", ', ""),
        ('cadence: "nightly"', 'cadence: "hourly"'),
    )
    after = after.replace(after["web"].with_fields(name="Browser"))
    assert [one.describe() for one in compare_specs(before, after)] == [
        "changed step phi_gate.precedes: allocate_to_contracts -> cold_chain",
        "added step cold_chain: Cold chain",
        "moved panel brief: 1 -> 0",
        "changed section deployment.cadence: nightly -> hourly",
        "renamed device web: web -> Browser",
        "removed field contract.sku: sku",
    ]
    assert not compare_specs(after, after)


def test_a_node_below_another_one_is_moved() -> None:
    graph = farm()
    field = graph["contract.sku"]
    contract, block = graph["contract"], graph["block"]
    others = [one for one in contract.targets(Relation.CONTAINS) if one != field.id]
    moved = graph.replace(
        contract.with_targets(Relation.CONTAINS, others),
        block.with_targets(Relation.CONTAINS, [*block.targets(Relation.CONTAINS), field.id]),
    )
    assert [one.describe() for one in compare_specs(graph, moved)] == [
        "moved field contract.sku: contract -> block"
    ]


def test_kept_hashes_and_indexes_are_those_of_a_graph_built_anew() -> None:
    for seed in range(count(ci=10, full=200)):
        grown = apply_morphs(GUARDED, random_sequence(seed, GUARDED))
        anew = SpecGraph(grown.values())
        assert grown.spec_hash == anew.spec_hash
        assert grown.parents == anew.parents
        for id_ in grown:
            for relation in Relation:
                users = [[one.id for one in g.sources(id_, relation)] for g in (grown, anew)]
                assert sorted(users[0]) == sorted(users[1])
        assert compare_specs(GUARDED, grown) == compare_specs(GUARDED, anew)
        assert compare_specs(grown, GUARDED) == compare_specs(anew, GUARDED)
