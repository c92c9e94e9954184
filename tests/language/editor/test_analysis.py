"""Analysis of a text for editors: ignore comments, references, renaming and outline."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings

from attractor.base.errors import UsageError
from attractor.language import format, parse, prepare
from attractor.language.diagnostics import warning
from attractor.language.editor.analysis import (
    Analysis,
    OutlineSymbol,
    Role,
    declaration,
    named_at,
    occurrences,
    outline_symbols,
    rename_node,
    silence_rule,
)
from attractor.language.editor.completion import FIDELITY_MEANINGS, TYPE_MEANINGS, meaning_of
from attractor.language.graph.graph import FIDELITIES, TYPE_OF_SHAPE, Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.preparation.fixes import apply_edits
from attractor.language.reading import read_graph
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import Source
from tests.counts import count
from tests.language.pipelines import any_graphs
from tests.tables import table

TEXT = 'digraph G { a [llm_model="gpt-5.2"]; b [llm_model=opus]; c '


def test_models_in_use_are_proposed_without_a_vocabulary() -> None:
    used = {"gpt-5.2", "opus"}
    assert Analysis(Source(TEXT + "}"), vocabulary=Vocabulary()).words.models == used
    named = Analysis(Source(TEXT + "}"), vocabulary=Vocabulary(models={"sonnet"}))
    assert named.words.models == {"sonnet"}


def test_analysis_is_lazy_and_about_one_file() -> None:
    analysis = Analysis(Source("digraph G {", "a.dot"), vocabulary=Vocabulary())
    assert {one.span.file for one in analysis.diagnostics} == {"a.dot"}
    assert analysis.graph is None

    class NoFiles:
        def read(self, name: str) -> bytes:
            raise AssertionError(name)

    text = 'digraph G { a [prompt="@a.md"]; b [type=import, file="b.dot"] }'
    analysis = Analysis(Source(text), Vocabulary(), NoFiles())
    assert [one.id for one in analysis.names] == ["a", "b"]
    assert analysis.names is analysis.names


def test_every_value_has_a_meaning() -> None:
    assert TYPE_MEANINGS.keys() >= set(TYPE_OF_SHAPE.values())
    assert FIDELITY_MEANINGS.keys() == set(FIDELITIES)
    assert all(meaning_of("shape", one) for one in TYPE_OF_SHAPE)
    assert meaning_of("shape", "egg") == meaning_of("nothing", "box") == ""


HEAD = "digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; start -> a -> exit\n"


@table(
    "body",
    [
        "a [foo=1, prompt=x]\n}",
        '  a [foo="line one\n  line two", prompt=x]\n}',
        'a [prompt="one\n two", foo=1]\n}',
        "a [prompt=x, foo=1] /* c */\n}",
        "a [prompt=x, foo=1]}",
    ],
)
def test_ignore_comment_silences_only_its_rule(body: str) -> None:
    text = HEAD + body
    before = prepare(text)
    [diagnostic] = before.diagnostics
    edit = silence_rule(Source(text), diagnostic)
    assert edit is not None
    after = prepare(apply_edits(Source(text), [warning("x", edits=(edit,))])[0])
    assert after.diagnostics == ()
    assert after.graph == before.graph


def test_no_ignore_comment_fits_between_multiline_strings() -> None:
    text = HEAD + 'a [prompt="one\n two", foo=1, label="three\n four"]\n}'
    [diagnostic] = prepare(text).diagnostics
    assert silence_rule(Source(text), diagnostic) is None
    assert silence_rule(Source(text), warning("of no line")) is None


NAMES_TEXT = """digraph plan {
    subgraph cluster_plan { plan }
    plan [retry_target=plan, prompt="plan", "human.default_choice"="the end"]
    start -> plan:port -> "the end" [label=plan]
    retry_target="plan"
}
"""


def test_references_to_a_node_are_found() -> None:
    found = [(one.id, one.span.line, one.role) for one in occurrences(Source(NAMES_TEXT))]
    assert found == [
        ("plan", 2, Role.DECLARED),
        ("plan", 3, Role.DECLARED),
        ("plan", 3, Role.IN_AN_ATTRIBUTE),
        ("the end", 3, Role.IN_AN_ATTRIBUTE),
        ("start", 4, Role.ON_AN_EDGE),
        ("plan", 4, Role.ON_AN_EDGE),
        ("the end", 4, Role.ON_AN_EDGE),
        ("plan", 5, Role.IN_AN_ATTRIBUTE),
    ]
    found = occurrences(Source('digraph G { a -> b; c -- d; e [prompt="'))
    assert [one.id for one in found] == ["a", "b", "c", "d", "e"]
    found = occurrences(Source("digraph G { plan -> b }"))
    assert [named_at(found, 1, column) is not None for column in (12, 13, 17, 18)] == [
        False,
        True,
        True,
        False,
    ]


def test_node_statement_is_the_declaration() -> None:
    found = occurrences(Source("digraph G { a -> b; b; c -> a }"))
    declared = declaration("b", found)
    assert declared is not None
    assert declared.span.column == 21
    on_edge = declaration("c", found)
    assert on_edge is not None
    assert on_edge.span.column == 24
    assert declaration("d", found) is None


def renamed(text: str, line: int, column: int, new: str) -> str:
    source = Source(text)
    edits = tuple(rename_node(source, line, column, new))
    return apply_edits(source, [warning("rename", edits=edits)])[0]


def test_rename_changes_every_occurrence() -> None:
    text = renamed(NAMES_TEXT, 3, 5, "think hard")
    graph = parse(text)
    assert set(graph.nodes) == {"start", "think hard", "the end"}
    assert graph.nodes["think hard"].attributes.text("retry_target") == "think hard"
    assert graph.nodes["think hard"].prompt == "plan"
    assert graph.name == "plan"
    assert graph.subgraphs[0].id == "cluster_plan"


@table(("place", "new"), [((1, 1), "x"), ((3, 5), " "), ((3, 5), "start")])
def test_invalid_rename_is_rejected(place: tuple[int, int], new: str) -> None:
    with pytest.raises(UsageError, match="node"):
        rename_node(Source(NAMES_TEXT), *place, new)


@settings(max_examples=count(ci=15, full=1_000), deadline=None)
@given(any_graphs())
def test_a_renamed_graph_is_the_same_but_for_the_name(graph: Graph) -> None:
    text = format(graph)
    found = occurrences(Source(text))
    if not found or any(one.id == "new" for one in found):
        return
    before = found[0]
    after = parse(renamed(text, before.span.line, before.span.column, "new"))
    assert set(after.nodes) == {"new" if id_ == before.id else id_ for id_ in graph.nodes}
    assert len(after.edges) == len(graph.edges)


SYMBOLS_TEXT = """digraph G {
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


def outline(text: str) -> Sequence[OutlineSymbol]:
    source = Source(text)
    return outline_symbols(source, read_graph(source).readable)


def outline_names(found: Sequence[OutlineSymbol]) -> list[object]:
    return [
        (one.name, one.detail, outline_names(one.children))
        if one.is_subgraph
        else (one.name, one.detail)
        for one in found
    ]


def every(found: Sequence[OutlineSymbol]) -> Iterator[OutlineSymbol]:
    for one in found:
        yield one
        yield from every(one.children)


def cut(text: str, span: Span) -> str:
    source = Source(text)
    return text[slice(source.offset(*span[1:3]), source.offset(*span[3:5]))]


def test_outline_nests_nodes_in_subgraphs() -> None:
    plan, inner = ("plan", "codergen Plan it"), ("inner", "codergen")
    assert outline_names(outline(SYMBOLS_TEXT)) == [
        ("start", "start"),
        ("Loop", "1 node", [plan, ("subgraph", "1 node", [inner])]),
        ("B", "1 node", [("later", "wait.human Later")]),
        ("cluster_c", "0 nodes", []),
        ("nowhere", "codergen"),
    ]


def test_symbol_spans_its_whole_statement() -> None:
    spans = {one.name: (one.span, one.name_span) for one in every(outline(SYMBOLS_TEXT))}
    cuts = {
        name: (cut(SYMBOLS_TEXT, one), cut(SYMBOLS_TEXT, other))
        for name, (one, other) in spans.items()
    }
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
    assert outline_names(broken) == [("a", ""), ("x", "1 node", [("b", "")])]
    assert outline_names(outline("digraph G { a [shape=hexagon]; b -- c }"))[0] == (
        "a",
        "wait.human",
    )
    assert outline_names(outline("digraph { } } { x")) == [("subgraph", "1 node", [("x", "")])]


def test_very_deep_subgraphs_are_flattened_in_the_outline() -> None:
    many = 20_000
    text = "digraph G {" + "subgraph x {" * many + "a" + "}" * (many + 1)
    depth, found = 0, outline_symbols(Source(text))
    while found:
        depth, found = depth + 1, found[-1].children
    assert 30 < depth < 50
