"""Pipelines that several tests read, and a generator of pipelines with their graphs."""

from datetime import timedelta

from hypothesis import strategies as st

from attractor.language.graph.builder import GraphBuilder
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.source.syntax_tree import Attributes, Plain, quoted

BRANCH = """digraph Branch {
    graph [goal="Implement and validate a feature"]
    rankdir=LR
    node [shape=box, timeout="900s"]

    start     [shape=Mdiamond, label="Start"]
    exit      [shape=Msquare, label="Exit"]
    plan      [label="Plan", prompt="Plan the implementation"]
    implement [label="Implement", prompt="Implement the plan"]
    validate  [label="Validate", prompt="Run tests"]
    gate      [shape=diamond, label="Tests passing?"]

    start -> plan -> implement -> validate -> gate
    gate -> exit      [label="Yes", condition="outcome=success"]
    gate -> implement [label="No", condition="outcome!=success"]
}
"""

HUMAN_GATE = """digraph Review {
    rankdir=LR

    start [shape=Mdiamond, label="Start"]
    exit  [shape=Msquare, label="Exit"]

    review_gate [
        shape=hexagon,
        label="Review Changes",
        type="wait.human"
    ]

    start -> review_gate
    review_gate -> ship_it [label="[A] Approve"]
    review_gate -> fixes   [label="[F] Fix"]
    ship_it -> exit
    fixes -> review_gate
}
"""

SMOKE = """digraph test_pipeline {
    graph [goal="Create a hello world Python script"]

    start       [shape=Mdiamond]
    plan        [shape=box, prompt="Plan how to create a hello world script for: $goal"]
    implement   [shape=box, prompt="Write the code based on the plan", goal_gate=true]
    review      [shape=box, prompt="Review the code for correctness"]
    done        [shape=Msquare]

    start -> plan
    plan -> implement
    implement -> review [condition="outcome=success"]
    implement -> plan   [condition="outcome=fail", label="Retry"]
    review -> done      [condition="outcome=success"]
    review -> implement [condition="outcome=fail", label="Fix"]
}
"""

_KEYWORDS = {"digraph", "subgraph", "graph", "node", "edge", "strict"}
_IDS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda word: word not in _KEYWORDS
)
_KEYS = st.lists(_IDS, min_size=1, max_size=3).map(".".join)
_PLAIN: st.SearchStrategy[Plain] = st.one_of(
    # A file with a NUL is no text.
    st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    st.integers(-(10**17), 10**17),
    st.booleans(),
    st.decimals(-1000, 1000, places=3).map(float),
    st.integers(0, 10**9).map(lambda number: timedelta(milliseconds=number)),
)
_ATTRIBUTES = st.dictionaries(_KEYS, _PLAIN, max_size=4).map(Attributes.of)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    ids = draw(st.lists(_IDS, min_size=1, max_size=6, unique=True))
    nodes = {id_: Node(id_, draw(_ATTRIBUTES.filter(_has_no_class))) for id_ in ids}
    ends = st.sampled_from(ids)
    edges = draw(st.lists(st.builds(Edge, ends, ends, _ATTRIBUTES), max_size=6))
    return Graph(draw(_IDS), nodes, tuple(edges), draw(_ATTRIBUTES))


def _has_no_class(attributes: Attributes) -> bool:
    return "class" not in attributes.by_key


def as_dot(graph: Graph) -> str:
    """Write a graph as text, in the form of the specification."""
    lines = [f"digraph {graph.name} {{"]
    lines += [f"  {key} = {value}" for key, value in _written(graph.attributes) if "." not in key]
    dotted = [f"{key}={value}" for key, value in _written(graph.attributes) if "." in key]
    if dotted:
        lines.append(f"  graph [{', '.join(dotted)}]")
    lines += [f"  {node.id}{_list(node.attributes)}" for node in graph.nodes.values()]
    lines += [f"  {edge.source} -> {edge.target}{_list(edge.attributes)}" for edge in graph.edges]
    return "\n".join([*lines, "}"])


def _list(attributes: Attributes) -> str:
    inside = ", ".join(f"{key}={value}" for key, value in _written(attributes))
    return f" [{inside}]" if inside else ""


def _written(attributes: Attributes) -> list[tuple[str, str]]:
    return [
        (key, quoted(str(one.value)) if isinstance(one.value.plain, str) else one.value.text)
        for key, one in attributes.by_key.items()
    ]


UNTIDY_WORDS = [
    *("Node", "graph", "a b", "é", "", "1", "a.b", '"', "\\", "a\nb", "// c", "-x", "strict")
]


@st.composite
def any_graphs(draw: st.DrawFn) -> Graph:
    """Make a graph that a text could define, with subgraphs and words of every kind."""
    words = _IDS | st.sampled_from(UNTIDY_WORDS)
    keys = _KEYS | st.sampled_from(UNTIDY_WORDS)
    attributes = st.dictionaries(keys, _PLAIN, max_size=3)
    builder = GraphBuilder(draw(words), **draw(attributes))
    ids = draw(st.lists(words, min_size=1, max_size=5, unique=True))
    _fill(draw, builder, attributes, ids, depth=0)
    return builder.build()


def _fill(
    draw: st.DrawFn,
    builder: GraphBuilder,
    attributes: st.SearchStrategy[dict[str, Plain]],
    ids: list[str],
    *,
    depth: int,
) -> None:
    one = st.sampled_from(ids)
    for _ in range(draw(st.integers(0, 4))):
        match draw(st.integers(0, 3 if depth < 3 else 2)):
            case 0:
                builder.node(draw(one), **draw(attributes))
            case 1:
                builder.edge(draw(one), draw(one), **draw(attributes))
            case 2:
                builder.defaults(draw(st.sampled_from(["node", "edge"])), **draw(attributes))
            case _:
                id_ = draw(st.sampled_from(["", "cluster_a", "b c"]))
                with builder.subgraph(id_, **draw(attributes)):
                    _fill(draw, builder, attributes, ids, depth=depth + 1)
