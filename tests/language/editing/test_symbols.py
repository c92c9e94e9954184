"""The outline of a text."""

from attractor.language import parse
from attractor.language.editing.symbols import symbols


def test_subgraphs_and_nodes_are_listed() -> None:
    graph = parse('digraph G { subgraph cluster_a { label="Loop"; a; b [label="B"] } }')
    assert [(one.name, one.detail, one.is_subgraph) for one in symbols(graph)] == [
        ("Loop", "2 nodes", True),
        ("a", "codergen", False),
        ("b", "codergen B", False),
    ]
