"""Ruling L4: a shape says more than a name."""

import pytest

from attractor.language import parse, validate


def ends(text: str) -> tuple[list[str], list[str]]:
    graph = parse(f"digraph G {{ {text} }}")
    return [one.id for one in graph.starts], [one.id for one in graph.exits]


def test_L4_a_shape_wins_over_an_id() -> None:
    assert ends("start; begin [shape=Mdiamond]; end; done [shape=Msquare]") == (["begin"], ["done"])


@pytest.mark.parametrize("start", ["start", "Start"])
@pytest.mark.parametrize("exit_", ["exit", "Exit", "end", "End"])
def test_L4_without_a_shape_the_id_decides(start: str, exit_: str) -> None:
    assert ends(f"{start}; {exit_}") == ([start], [exit_])


def test_L4_other_ids_are_no_ends() -> None:
    assert ends("START; begin; EXIT; finish") == ([], [])


def test_L4_two_ids_that_would_do_are_one_too_many() -> None:
    rules = [one.rule for one in validate(parse("digraph G { start; exit; end; start -> exit }"))]
    assert "terminal_node" in rules
