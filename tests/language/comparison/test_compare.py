"""Comparing pipelines by their meaning."""

from hypothesis import HealthCheck, given, settings

from attractor.language import diff, format, parse
from attractor.language.comparison.difference import Difference
from attractor.language.graph.graph import Edge, Graph
from attractor.language.source.syntax_tree import Attributes
from tests.counts import count
from tests.language.pipelines import any_graphs

MANY = settings(
    max_examples=count(ci=20, full=1_000),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def between(before: str, after: str) -> Difference:
    return diff(parse(f"digraph G {{ {before} }}"), parse(f"digraph G {{ {after} }}"))


def ends(edges: tuple[Edge, ...]) -> list[tuple[str, str]]:
    return [(edge.source, edge.target) for edge in edges]


def values(attributes: Attributes) -> dict[str, str]:
    """Return the values of unknown attributes; their quotes mean nothing."""
    return {key: str(one.value) for key, one in attributes.by_key.items()}


@MANY
@given(any_graphs())
def test_graph_does_not_differ_from_itself(graph: Graph) -> None:
    assert not diff(graph, parse(format(graph)))


@MANY
@given(any_graphs(), any_graphs())
def test_graphs_without_difference_have_the_same_meaning(before: Graph, after: Graph) -> None:
    same_edges = all(
        node in after.nodes
        and [(one.target, values(one.attributes)) for one in before.outgoing(node)]
        == [(one.target, values(one.attributes)) for one in after.outgoing(node)]
        for node in before.nodes
    )
    same = (
        before.name == after.name
        and values(before.attributes) == values(after.attributes)
        and {id_: values(one.attributes) for id_, one in before.nodes.items()}
        == {id_: values(one.attributes) for id_, one in after.nodes.items()}
        and same_edges
    )
    if not diff(before, after):
        assert same


@MANY
@given(any_graphs(), any_graphs())
def test_reverse_difference_removes_added_nodes(before: Graph, after: Graph) -> None:
    there, back = diff(before, after), diff(after, before)
    assert bool(there) is bool(back)
    assert len(there.added_nodes) - len(there.removed_nodes) == len(back.removed_nodes) - len(
        back.added_nodes
    )


def test_layout_comments_and_order_make_no_difference() -> None:
    before = "a [x=1, y=2]; b; a -> b; a -> c"
    after = "// c\nb\nnode [x=1]; a [y=2]\na->b\na->c"
    assert not between(f"c; {before}", f"c; {after}")


def test_added_removed_and_changed_nodes() -> None:
    found = between('a [x=1]; b [prompt="b"]', 'a [x=2, y=1]; c [tool_command="c"]')
    assert [node.id for node in found.added_nodes] == ["c"]
    assert [node.id for node in found.removed_nodes] == ["b"]
    [change] = found.changed_nodes
    assert [(one.key, str(one.before), str(one.after)) for one in change.changes] == [
        ("x", "1", "2"),
        ("y", "None", "1"),
    ]


def test_node_with_another_id_is_renamed() -> None:
    found = between(
        'plan [prompt="Plan"]; a -> plan -> b', 'think [prompt="Plan"]; a -> think -> b'
    )
    assert [(one.before.id, one.after.id) for one in found.changed_nodes] == [("plan", "think")]
    assert found.added_nodes == ()
    assert found.removed_nodes == ()
    assert found.added_edges == ()
    assert found.removed_edges == ()
    assert found.changed_edges == ()


def test_node_with_another_id_and_other_attributes_is_a_new_node() -> None:
    before = 'plan [prompt="Plan", max_retries=2, timeout=9s]; a -> plan -> b'
    after = 'think [prompt="Plan", max_retries=3, timeout=9s]; a -> think -> b'
    found = between(before, after)
    assert found.changed_nodes == ()
    assert [node.id for node in (*found.removed_nodes, *found.added_nodes)] == ["plan", "think"]


def test_nodes_without_content_are_not_renamed() -> None:
    found = between("a; b; a -> b", "a; c; d; d -> c")
    assert [node.id for node in found.added_nodes] == ["c", "d"]
    assert [node.id for node in found.removed_nodes] == ["b"]


def test_edge_with_another_target_is_rerouted() -> None:
    found = between(
        'a; b; c; a -> b [condition="outcome=fail"]', 'a; b; c; a -> c [condition="outcome=fail"]'
    )
    [change] = found.changed_edges
    assert change.is_rerouted
    assert (change.before.target, change.after.target) == ("b", "c")
    assert found.added_edges == ()
    assert found.removed_edges == ()


def test_parallel_edges_are_paired_by_their_attributes() -> None:
    found = between("a -> b [label=x]; a -> b [label=y]", "a -> b [label=y]; a -> b [label=z]")
    [change] = found.changed_edges
    assert [(str(one.before), str(one.after)) for one in change.changes] == [("x", "z")]


def test_reordered_outgoing_edges() -> None:
    found = between("a -> b; a -> c", "a -> c; a -> b")
    assert found.reordered == ("a",)
    assert found.added_edges == ()
    assert found.removed_edges == ()
    assert found.changed_edges == ()


def test_added_removed_and_changed_subgraphs() -> None:
    found = between(
        'subgraph x { label="X"; a } subgraph y { b } c',
        'subgraph x { label="Z"; b } subgraph z { c } a',
    )
    assert (found.added_subgraphs, found.removed_subgraphs) == (("z",), ("y",))
    assert [one.id for one in found.changed_subgraphs] == ["x"]
    assert [(one.node, one.before, one.after) for one in found.moved_nodes] == [
        ("a", ("x",), ()),
        ("b", ("y",), ("x",)),
        ("c", (), ("z",)),
    ]


def test_ten_thousand_renamed_and_changed_nodes() -> None:
    before = "; ".join(f'a{i} [prompt="{i}"]' for i in range(10_000))
    after = "; ".join(f'b{i} [prompt="x{i}"]' for i in range(10_000))
    assert len(between(before, after).added_nodes) == 10_000
