"""The loops in a path are found, each once with how often it was gone round."""

from hypothesis import given
from hypothesis import strategies as st

from attractor.engine.loops import find_loops


def test_a_way_without_a_loop_has_none() -> None:
    assert find_loops(["start", "plan", "exit"]) == {}
    assert find_loops([]) == {}


def test_a_loop_is_counted_wherever_it_is_entered() -> None:
    assert find_loops("sabcabcax") == {("a", "b", "c"): 2}
    assert find_loops("sabcabqcab") == {("a", "b", "c"): 1, ("a", "b", "q", "c"): 1}


def test_a_node_after_itself_is_a_loop() -> None:
    assert find_loops(["a", "a", "a"]) == {("a",): 2}


def test_a_loop_within_a_loop_is_told_apart() -> None:
    assert find_loops("abcbcbda") == {("b", "c"): 2, ("a", "b", "d"): 1}


@given(st.lists(st.sampled_from("abcd")))
def test_every_step_is_in_a_loop_or_on_the_way(path: list[str]) -> None:
    loops = find_loops(path)
    left = len(path) - sum(len(loop) * times for loop, times in loops.items())
    assert left == len(dict.fromkeys(path)) if not loops else 0 <= left <= len(set(path))
    assert all(len(set(loop)) == len(loop) for loop in loops)
