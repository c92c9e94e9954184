import re

from hypothesis import given
from hypothesis import strategies as st

from attractor.language.drawing.element_ids import as_class, edge_elements, encoded, node_element
from attractor.language.graph import Edge

WORDS = st.text(max_size=5) | st.text("-a2e0", max_size=6)


def test_plain_ids_stand_for_themselves() -> None:
    assert node_element("plan_2") == "node-plan_2"
    assert list(edge_elements([Edge("a", "b"), Edge("a", "b")])) == ["edge-a-b", "edge-a-b-2"]


def test_odd_letters_have_their_number() -> None:
    assert node_element("a.b é") == "node-a--2e-b--20---e9-"
    assert (node_element(""), node_element("\0")) == ("node---0-", "node---00-")


@given(WORDS, WORDS)
def test_two_ids_never_have_one_element(one: str, other: str) -> None:
    assert (encoded(one) == encoded(other)) == (one == other)


@given(WORDS)
def test_an_element_needs_no_escape_in_a_selector(word: str) -> None:
    assert re.fullmatch(r"node-[A-Za-z0-9_-]+", node_element(word))


@given(st.lists(st.tuples(WORDS, WORDS), max_size=8))
def test_every_edge_has_an_element_of_its_own(ends: list[tuple[str, str]]) -> None:
    elements = list(edge_elements([Edge(*one) for one in ends]))
    assert len(set(elements)) == len(ends)


def test_a_type_gives_a_class() -> None:
    assert as_class("wait.human") == "wait-human"
