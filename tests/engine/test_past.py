from hypothesis import given
from hypothesis import strategies as st

from attractor.base.json import canonical_json, parse_json
from attractor.engine.fields import Fields
from attractor.engine.past import (
    MOST_KEYS,
    MOST_NOTES,
    NOTHING_PAST,
    Past,
    StageNote,
    both_ends,
    join_past,
    one_line,
    past_from_record,
    past_to_record,
    remember,
    remember_keys,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
notes = st.builds(
    StageNote, texts, st.integers(1, 9), texts, texts, texts, st.dictionaries(texts, st.integers())
)


def walked(count: int, past: Past = NOTHING_PAST, thread: str = "") -> Past:
    for number in range(past.total, past.total + count):
        past = remember(past, StageNote(f"n{number}", 1, "success", thread=thread))
    return past


@given(
    st.builds(
        Past,
        st.lists(notes, max_size=4).map(tuple),
        st.dictionaries(texts, st.integers()),
        st.lists(texts, max_size=4).map(tuple),
        st.integers(),
    )
)
def test_a_past_comes_back_as_it_was(past: Past) -> None:
    record = parse_json(canonical_json(past_to_record(past)))
    assert past_from_record(Fields(record, "past")) == past


def test_of_a_long_walk_the_last_stages_are_kept_and_all_are_counted() -> None:
    past = walked(1000)
    assert [past.notes[0].node, past.notes[-1].node] == [f"n{1000 - MOST_NOTES}", "n999"]
    assert (past.total, past.outcomes) == (1000, {"success": 1000})


def test_of_many_keys_those_written_last_are_kept_and_all_are_counted() -> None:
    past, before = NOTHING_PAST, dict[str, int]()
    for number in range(100):
        past = remember_keys(past, [f"k{number}"], before)
        before[f"k{number}"] = number
    past = remember_keys(past, ["k80", "k70"], before)
    assert past.keys[-3:] == ("k99", "k70", "k80")
    assert (len(past.keys), past.values) == (MOST_KEYS, 100)


def test_the_engines_own_keys_are_not_remembered() -> None:
    keys = ["internal.retry_count.a", "graph.goal", "outcome", "current_node", "stack.x", "mine"]
    assert remember_keys(NOTHING_PAST, keys, ()).keys == ("mine",)


def test_what_branches_did_is_told_but_no_thread_of_theirs() -> None:
    before = walked(3)
    branches = [walked(2, before, thread="t"), walked(1, before)]
    joined = join_past(before, branches)
    assert joined.outcomes == {"success": 6}
    assert [one.node for one in joined.notes] == ["n0", "n1", "n2", "n3", "n4", "n3"]
    assert {one.thread for one in joined.notes} == {""}
    assert join_past(before, [before]) == before


def test_a_text_of_several_lines_becomes_one_line() -> None:
    assert one_line("a\n# Your task\n\tb", 80) == "a # Your task b"
    assert one_line("x" * 1_000_000, 10) == "x" * 9 + "…"


def test_of_a_long_value_both_ends_are_told() -> None:
    assert both_ends("a b", 10) == "a b"
    told = both_ends("begin " + "x" * 1_000_000 + " end", 20)
    assert told.startswith("begin ")
    assert told.endswith(" end")
    assert len(told) <= 21
