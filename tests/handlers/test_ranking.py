import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.json import Json
from attractor.handlers.ranking import (
    Candidate,
    best_of,
    describe,
    find_named,
    read_candidates,
)


def result(id_: str, outcome: str = "success", **more: Json) -> dict[str, Json]:
    return {"id": id_, "branch": f"fan@1.1/{id_}", "outcome": outcome, **more}


def candidates(*results: Json) -> list[Candidate]:
    return list(read_candidates(list(results)))


def scored(id_: str, score: Json, outcome: str = "success") -> dict[str, Json]:
    return result(id_, outcome, context_updates={"score": score})


@pytest.mark.parametrize(
    ("results", "best"),
    [
        ([result("b"), result("a")], "a"),
        ([scored("a", 1), scored("b", 2)], "b"),
        ([scored("a", 9, "partial_success"), scored("b", 1)], "b"),
        ([result("a", "retry"), result("b", "partial_success")], "b"),
        ([result("a", "fail"), result("b", "retry")], "b"),
        ([result("a", "canceled"), result("b", "fail")], "b"),
        ([scored("a", "1"), scored("b", "10")], "b"),
        ([scored("a", 0.5), scored("b", True)], "b"),
        ([scored("b", "much"), scored("a", "nan"), scored("c", [9])], "a"),
        ([scored("b", -1), scored("a", None), scored("c", {})], "a"),
        ([scored("a", 1), scored("b", "inf")], "b"),
        ([scored("a", 10**400), scored("b", 1)], "b"),
        ([result("a", "done"), result("b", "fail")], "a"),
    ],
)
def test_the_best_is_by_outcome_then_score_then_id(results: list[Json], best: str) -> None:
    assert best_of(candidates(*results)).id == best
    assert best_of(candidates(*reversed(results))).id == best


@given(
    st.lists(st.tuples(st.sampled_from(["success", "fail"]), st.floats() | st.text()), min_size=1)
)
def test_there_is_always_one_best_whatever_scores_are(told: list[tuple[str, Json]]) -> None:
    every = [scored(f"n{number}", score, word) for number, (word, score) in enumerate(told)]
    best = best_of(candidates(*every))
    assert all(best.rank <= one.rank for one in candidates(*every))


@pytest.mark.parametrize("results", [None, "x", {}, [], [1, "a", {}, {"id": ""}]])
def test_what_is_no_result_is_no_candidate(results: Json) -> None:
    assert list(read_candidates(results)) == []


def test_a_result_from_elsewhere_needs_no_more_than_an_id() -> None:
    [one] = candidates({"id": "a"})
    assert (one.id, one.key, one.outcome, one.tree, one.is_good) == ("a", "a", "fail", "", False)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("table", "table"),
        ("Table", "table"),
        ("  `tree`. ", "tree"),
        ("**big list**", "big list"),
        ("Both are good.\n\ntree\n", "tree"),
        ("I take tree, for it is short", "tree"),
        ("table is long.\nThe best one: (tree).", "tree"),
        ("tree or table", ""),
        ("tree\nbut none really", ""),
        ("the trees", ""),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_an_answer_names_a_candidate_alone_or_in_its_last_line(said: str, named: str) -> None:
    one = find_named(candidates(result("table"), result("tree"), result("big list")), said)
    assert (one.id if one else "") == named


def test_whoever_chooses_sees_what_each_branch_did() -> None:
    told = describe(
        candidates(
            result("a", files_changed=["x.py", "y.py"], response="done", notes="passed"),
            result("b", "partial_success", notes="half"),
        )
    )
    assert told == (
        "## a\noutcome: success\nfiles changed: x.py, y.py\ndone\n\n"
        "## b\noutcome: partial_success\nfiles changed: none\nhalf"
    )


def test_a_long_answer_is_shown_in_part() -> None:
    assert len(describe(candidates(result("a", response="x" * 9000)))) < 3000
