"""The outline of a text."""

from collections.abc import Iterator, Sequence

from attractor.language.editing.symbols import Symbol, symbols
from attractor.language.parsing import read_graph
from attractor.language.sources import Source
from attractor.language.spans import Span

TEXT = """digraph G {
    start; graph [label="The whole"]
    subgraph cluster_a {
        label="Loop"
        plan [prompt="x"] [label="Plan it"]
        subgraph { inner }
    }
    subgraph cluster_b { graph [label="B"]; plan; later; node [label="no"] }
    subgraph cluster_c { start -> plan }
    start -> plan -> later -> nowhere
    later [shape=hexagon,
        label="Later"]
}"""


def outline(text: str) -> Sequence[Symbol]:
    source = Source(text)
    return symbols(source, read_graph(source).readable)


def told(found: Sequence[Symbol]) -> list[object]:
    return [
        (one.name, one.detail, told(one.children)) if one.is_subgraph else (one.name, one.detail)
        for one in found
    ]


def every(found: Sequence[Symbol]) -> Iterator[Symbol]:
    for one in found:
        yield one
        yield from every(one.children)


def cut(text: str, span: Span) -> str:
    source = Source(text)
    return text[slice(source.offset(*span[1:3]), source.offset(*span[3:5]))]


def test_nodes_stand_in_their_subgraphs() -> None:
    plan, inner = ("plan", "codergen Plan it"), ("inner", "codergen")
    assert told(outline(TEXT)) == [
        ("start", "start"),
        ("Loop", "1 node", [plan, ("subgraph", "1 node", [inner])]),
        ("B", "1 node", [("later", "wait.human Later")]),
        ("cluster_c", "0 nodes", []),
        ("nowhere", "codergen"),
    ]


def test_a_symbol_is_a_whole_statement_with_a_name_in_it() -> None:
    spans = {one.name: (one.span, one.name_span) for one in every(outline(TEXT))}
    cuts = {name: (cut(TEXT, one), cut(TEXT, other)) for name, (one, other) in spans.items()}
    assert cuts["plan"] == ('plan [prompt="x"] [label="Plan it"]', "plan")
    assert cuts["subgraph"] == ("subgraph { inner }", "subgraph")
    assert cuts["cluster_c"] == ("subgraph cluster_c { start -> plan }", "cluster_c")
    assert cuts["nowhere"] == ("nowhere", "nowhere")
    whole, name = cuts["Loop"]
    assert whole.startswith("subgraph cluster_a {\n")
    assert whole.endswith("{ inner }\n    }")
    assert name == "cluster_a"


def test_a_broken_text_has_an_outline_too() -> None:
    broken = outline('digraph G { a [shape=hexagon]; subgraph x { b [prompt="B"')
    assert told(broken) == [("a", ""), ("x", "1 node", [("b", "")])]
    assert told(outline("digraph G { a [shape=hexagon]; b -- c }"))[0] == ("a", "wait.human")
    assert told(outline("digraph { } } { x")) == [("subgraph", "1 node", [("x", "")])]


def test_very_deep_subgraphs_stand_beside_each_other() -> None:
    many = 20_000
    text = "digraph G {" + "subgraph x {" * many + "a" + "}" * (many + 1)
    depth, found = 0, symbols(Source(text))
    while found:
        depth, found = depth + 1, found[-1].children
    assert 30 < depth < 50
