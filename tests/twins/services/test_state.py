from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from attractor.twins.services.state import State


def drawn(state: State) -> list[object]:
    return [state.random(1, 1000), state.letters(8), state.uuid(), state.counter("a")]


@given(st.integers())
def test_the_same_seed_draws_the_same(seed: int) -> None:
    assert drawn(State(seed)) == drawn(State(seed))


def test_another_seed_and_a_second_draw_differ() -> None:
    state = State(1)
    assert drawn(state)[:3] != drawn(State(2))[:3]
    assert state.uuid() != state.uuid()
    assert UUID(state.uuid()).version == 4
    assert [state.counter("a"), state.counter("b"), state.counter("a")] == [2, 1, 3]
    assert {State(n).random(2, 3) for n in range(20)} == {2, 3}


def test_a_copy_leaves_the_first_as_it_is() -> None:
    first = State(collections={"c": {"1": {"id": "1"}}}, values={"v": 1})
    second = first.copy()
    second.collections["c"]["2"] = {"id": "2"}
    second.values["v"] = 2
    drawn(second)
    assert (first.collections, first.values, first.drawn) == (
        {"c": {"1": {"id": "1"}}},
        {"v": 1},
        0,
    )
    assert first.counters == {}


def test_what_is_put_back_is_sorted_into_collections_and_values() -> None:
    state = State(collections={"c": {}}, values={"v": 1})
    state.put_back({"c": {"1": {"id": "1"}}, "v": 2, "w": 3})
    assert (state.collections, state.values) == ({"c": {"1": {"id": "1"}}}, {"v": 2, "w": 3})
