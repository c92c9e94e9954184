"""Contract of transforms, built-in and custom."""

from dataclasses import replace

from attractor.base.registry import find_shortcoming
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.preparation.prepare import (
    BuiltInTransform,
    KnownFiles,
    Transform,
    TransformContext,
    transform_registry,
)
from attractor.language.reading import parse
from tests.language.pipelines import BRANCH, HUMAN_GATE, SMOKE
from tests.spec.test_11_11_transforms import WithoutNodes
from tests.tables import table

IMPORTED = (
    b"digraph I { start [shape=Mdiamond]; b [prompt=b]; exit [shape=Msquare]; start -> b -> exit }"
)
FILES = KnownFiles({"plan.md": b"Plan $goal", "other.dot": IMPORTED})
BUILT_IN: dict[str, Transform] = {
    name: make(TransformContext(files=FILES, inputs={"ticket": "A-1"}))
    for name, make in transform_registry().items()
}
TRANSFORMS: dict[str, Transform] = {**BUILT_IN, "a caller's": WithoutNodes("p")}
IMPORT = parse('digraph G { a -> sub -> c; sub [type=import, file="other.dot"] }')
SHEET = "* { llm_model: a; } .fast { llm_model: b; } #plan { reasoning_effort: high; }"
TEXTS = {
    "branch": BRANCH,
    "human gate": HUMAN_GATE,
    "smoke": SMOKE,
    "empty": "digraph G {}",
    "goal": 'digraph G { goal="größer 🐍 $goal \\\\1"; a [prompt="$goal $goal"]; p; a -> p }',
    "sheet": f'digraph G {{ model_stylesheet="{SHEET}"; plan; a [class=fast]; plan -> a }}',
    "file": 'digraph G { a [prompt="@plan.md"]; b [shape=parallelogram, script="ls"] }',
    "broken sheet": 'digraph G { model_stylesheet="* { "; llm_model=b; a }',
}
GRAPHS = {
    **{name: parse(text) for name, text in TEXTS.items()},
    "edge to nowhere": Graph("G", {"a": Node("a")}, (Edge("a", "b"),)),
    "big": parse(
        "digraph G { goal=x\n" + "\n".join(f'a{i} [prompt="$goal"]' for i in range(500)) + "}"
    ),
}
transforms = table("transform", TRANSFORMS.values(), ids=list(TRANSFORMS))
graphs = table("graph", GRAPHS.values(), ids=list(GRAPHS))


def photograph(graph: Graph) -> str:
    """Return the whole content of a graph, with the places, which equality ignores."""
    return repr((graph.name, graph.nodes, graph.edges, graph.attributes, graph.span))


@transforms
@graphs
def test_transform_returns_a_graph_and_keeps_the_input(transform: Transform, graph: Graph) -> None:
    before = photograph(graph)
    assert isinstance(transform.apply(graph), Graph)
    assert photograph(graph) == before


@transforms
@graphs
def test_the_same_graph_gives_the_same_again(transform: Transform, graph: Graph) -> None:
    assert photograph(transform.apply(graph)) == photograph(transform.apply(graph))


@transforms
@graphs
def test_every_node_is_kept_under_its_own_id(transform: Transform, graph: Graph) -> None:
    after = transform.apply(graph)
    assert {id_: node.id for id_, node in after.nodes.items()} == {id_: id_ for id_ in after.nodes}
    assert set(after.nodes) <= set(graph.nodes)


@table("name", list(BUILT_IN))
def test_built_in_transform_has_an_order_and_an_effect(name: str) -> None:
    part = transform_registry()[name]
    assert find_shortcoming(part, BuiltInTransform) == ""
    assert part.order > 0
    assert any(BUILT_IN[name].apply(graph) != graph for graph in (*GRAPHS.values(), IMPORT))


@table("name", list(BUILT_IN))
def test_built_in_transforms_add_only_imported_nodes(name: str) -> None:
    for graph in GRAPHS.values():
        after = BUILT_IN[name].apply(graph)
        assert list(after.nodes) == list(graph.nodes)
        assert replace(after, nodes=graph.nodes) == graph
    assert set(BUILT_IN["imports"].apply(IMPORT).nodes) == {
        *("a", "c", "sub__start", "sub__b", "sub__exit")
    }
