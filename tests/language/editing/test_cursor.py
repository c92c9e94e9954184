"""What is being written where the cursor stands (`|`)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.language.attributes import Place
from attractor.language.editing.cursor import Cursor, Writing, cursor_at


def at(text: str) -> Cursor:
    return cursor_at(text.replace("|", ""), text.index("|"))


@pytest.mark.parametrize(
    ("text", "place", "begun"),
    [
        ("digraph G { a [|", Place.NODE, ""),
        ("digraph G { a [pro|", Place.NODE, "pro"),
        ("digraph G { a [label=x, pro|]", Place.NODE, "pro"),
        ('digraph G { a [label="a, b]", human.d|', Place.NODE, "human.d"),
        ("digraph G { a -> b [co|", Place.EDGE, "co"),
        ('digraph G { a -> "b c" [\n  x=1;\n  co|', Place.EDGE, "co"),
        ("digraph G { rankdir=LR\n  node [sh|", Place.NODE, "sh"),
        ("digraph G { graph [go|", Place.GRAPH, "go"),
        ("digraph G { a -> b\n c [|", Place.NODE, ""),
    ],
)
def test_a_key_in_a_list(text: str, place: Place, begun: str) -> None:
    assert at(text) == Cursor(Writing.KEY, place, begun=begun)


@pytest.mark.parametrize(
    ("text", "place", "key", "begun", "is_quoted"),
    [
        ("digraph G { a [shape=|", Place.NODE, "shape", "", False),
        ("digraph G { a [shape = he|]", Place.NODE, "shape", "he", False),
        ('digraph G { a -> b [condition="out|', Place.EDGE, "condition", "out", True),
        ('digraph G { a ["human.default_choice"=|', Place.NODE, "human.default_choice", "", False),
        ("digraph G { default_fidelity=|", Place.GRAPH, "default_fidelity", "", False),
        ('digraph G {\n goal="x\n', None, "", "", False),
    ],
)
def test_a_value(text: str, place: Place | None, key: str, begun: str, is_quoted: bool) -> None:
    if place is None:
        assert cursor_at(text, len(text)).writing is Writing.NOTHING
    else:
        assert at(text) == Cursor(Writing.VALUE, place, key, begun, is_quoted)


@pytest.mark.parametrize("text", ["digraph { a -> |", "digraph { a -> b -> c|", "digraph { a->|"])
def test_the_node_that_an_edge_leads_to(text: str) -> None:
    assert at(text).writing is Writing.TARGET


@pytest.mark.parametrize("text", ["digraph G {|", "digraph G { a [x=1]\n pl|", "digraph G { a; |"])
def test_a_statement(text: str) -> None:
    assert at(text).writing is Writing.STATEMENT


@pytest.mark.parametrize("text", ["digraph G { // a [|", "digraph G { /* a -> |", "// |\ndigraph"])
def test_nothing_is_proposed_in_a_comment(text: str) -> None:
    assert at(text).writing is Writing.NOTHING


def test_behind_a_comment_things_go_on() -> None:
    assert at("digraph G { // c\n a -> |").writing is Writing.TARGET
    assert at("digraph G { a /* [ */ -> |").writing is Writing.TARGET


@given(st.text(alphabet='ab"[]{}=,;/*\\\n ->', max_size=60), st.data())
def test_every_place_of_every_text_has_an_answer(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    assert text[:offset].endswith(cursor_at(text, offset).begun)
