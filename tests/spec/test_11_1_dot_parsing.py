"""Definition of Done 11.1: DOT parsing."""

from attractor.language import parse
from tests.tables import table


def test_11_1_accepts_the_supported_subset() -> None:
    graph = parse(
        """digraph Everything {
            graph [goal="All of it"]
            node [shape=box]
            edge [weight=1]
            rankdir = LR
            subgraph cluster_a { a }
            b [label="B"]
            a -> b;
        }"""
    )
    assert (graph.name, list(graph.nodes), len(graph.edges)) == ("Everything", ["a", "b"], 1)


def test_11_1_extracts_graph_attributes() -> None:
    graph = parse(
        'digraph G { graph [goal="Ship", label="Release", model_stylesheet="* { llm_model: m; }"] }'
    )
    assert graph.goal == "Ship"
    assert graph.attributes.text("label") == "Release"
    assert graph.attributes.text("model_stylesheet") == "* { llm_model: m; }"


def test_11_1_parses_node_attributes_over_several_lines() -> None:
    graph = parse(
        """digraph G {
            review [
                shape=hexagon,
                label="Review Changes",
                type="wait.human"
            ]
        }"""
    )
    node = graph.nodes["review"]
    assert (node.shape, node.label, node.type) == ("hexagon", "Review Changes", "wait.human")


def test_11_1_parses_edge_attributes() -> None:
    graph = parse('digraph G { a -> b [label="Yes", condition="outcome=success", weight=3] }')
    (edge,) = graph.edges
    assert (edge.label, edge.weight) == ("Yes", 3)
    assert edge.attributes.text("condition") == "outcome=success"
    assert edge.condition.holds({"outcome": "success"}.__getitem__)


def test_11_1_chained_edges_produce_one_edge_per_pair() -> None:
    edges = parse('digraph G { A -> B -> C [label="next"] }').edges
    assert [(one.source, one.target, one.label) for one in edges] == [
        ("A", "B", "next"),
        ("B", "C", "next"),
    ]


def test_11_1_default_blocks_apply_to_later_statements() -> None:
    graph = parse(
        """digraph G {
            early
            node [timeout="900s"]; edge [weight=7]
            late; own [timeout="5s"]
            late -> own
        }"""
    )
    timeouts = [graph.nodes[id_].attributes.text("timeout") for id_ in ("early", "late", "own")]
    assert timeouts == ["", "900s", "5s"]
    assert graph.edges[0].weight == 7


def test_11_1_subgraphs_are_flattened() -> None:
    graph = parse(
        """digraph G {
            subgraph cluster_loop {
                label = "Loop A"
                node [thread_id="loop-a", timeout="900s"]
                Plan      [label="Plan next step"]
                Implement [label="Implement", timeout="1800s"]
            }
            Plan -> Implement
        }"""
    )
    found = {
        id_: (node.attributes.text("thread_id"), node.attributes.text("timeout"), node.classes)
        for id_, node in graph.nodes.items()
    }
    assert found == {
        "Plan": ("loop-a", "900s", ("loop-a",)),
        "Implement": ("loop-a", "1800s", ("loop-a",)),
    }


@table("value", ["box", '"box"'])
def test_11_1_quoted_and_unquoted_values_work(value: str) -> None:
    assert parse(f"digraph G {{ a [shape={value}] }}").nodes["a"].shape == "box"


def test_11_1_comments_are_stripped() -> None:
    text = """// first
    digraph G { /* over
    lines */ a [label="http://no/*comment*/"] // last
    /**/ }"""
    assert parse(text) == parse('digraph G { a [label="http://no/*comment*/"] }')
