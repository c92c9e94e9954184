"""Where nodes are named, and what happens when one is called otherwise."""

import pytest
from hypothesis import given, settings

from attractor.base.errors import UsageError
from attractor.language import format, parse
from attractor.language.diagnostics import warning
from attractor.language.editing.names import Role, declaration, named_at, occurrences
from attractor.language.editing.renaming import rename
from attractor.language.fixing import apply_edits
from attractor.language.graph import Graph
from attractor.language.sources import Source
from tests.counts import count
from tests.language.pipelines import any_graphs

TEXT = """digraph plan {
    subgraph cluster_plan { plan }
    plan [retry_target=plan, prompt="plan", "human.default_choice"="the end"]
    start -> plan:port -> "the end" [label=plan]
    retry_target="plan"
}
"""


def test_every_place_that_names_a_node_is_found() -> None:
    found = [(one.id, one.span.line, one.role) for one in occurrences(Source(TEXT))]
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


def test_a_text_that_is_broken_further_on_still_names_its_nodes() -> None:
    found = occurrences(Source('digraph G { a -> b; c -- d; e [prompt="'))
    assert [one.id for one in found] == ["a", "b", "c", "d", "e"]


def test_a_node_is_declared_where_it_stands_alone() -> None:
    found = occurrences(Source("digraph G { a -> b; b; c -> a }"))
    declared = declaration("b", found)
    assert declared is not None
    assert declared.span.column == 21
    on_edge = declaration("c", found)
    assert on_edge is not None
    assert on_edge.span.column == 24
    assert declaration("d", found) is None


def test_a_name_is_found_at_each_of_its_letters() -> None:
    found = occurrences(Source("digraph G { plan -> b }"))
    assert [named_at(found, 1, column) is not None for column in (12, 13, 17, 18)] == [
        False,
        True,
        True,
        False,
    ]


def renamed(text: str, line: int, column: int, new: str) -> str:
    source = Source(text)
    edits = tuple(rename(source, line, column, new))
    return apply_edits(source, [warning("rename", edits=edits)])[0]


def test_a_node_is_called_otherwise_everywhere() -> None:
    text = renamed(TEXT, 3, 5, "think hard")
    graph = parse(text)
    assert set(graph.nodes) == {"start", "think hard", "the end"}
    assert graph.nodes["think hard"].attributes.text("retry_target") == "think hard"
    assert graph.nodes["think hard"].prompt == "plan"
    assert graph.name == "plan"
    assert graph.subgraphs[0].id == "cluster_plan"


@pytest.mark.parametrize(("place", "new"), [((1, 1), "x"), ((3, 5), " "), ((3, 5), "start")])
def test_what_cannot_be_renamed_says_why(place: tuple[int, int], new: str) -> None:
    with pytest.raises(UsageError, match="node"):
        rename(Source(TEXT), *place, new)


@settings(max_examples=count(ci=30, full=1_000), deadline=None)
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
