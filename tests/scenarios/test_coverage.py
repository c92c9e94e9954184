"""Which sentences the scenarios of a suite prove."""

from itertools import combinations

from attractor.scenarios.coverage import coverage_of, proved, told_to_agents
from attractor.scenarios.suite import Suite
from tests.scenarios.test_suite_lint import scenario

LISTED = {
    "requirement": [
        {"id": "price", "sentence": "The price is shown."},
        {"id": "beds", "sentence": "A room has at most two beds."},
        {"id": "pets", "sentence": "Pets sleep in the garden."},
    ]
}


def suite(**proves: list[str]) -> Suite:
    scenarios = [
        scenario(id_, "train" if id_.startswith("t") else "holdout", proves=names)
        for id_, names in proves.items()
    ]
    settings = {"name": "rooms", "pipeline": "linear"}
    return Suite.model_validate(
        {"settings": settings, "scenarios": scenarios, "requirements": LISTED}
    )


def test_what_the_list_the_scenarios_and_the_text_lack_of_each_other() -> None:
    found = coverage_of(
        suite(a=["price"], b=["beds"], c=[], train=["pets"]),
        "The price is shown. A room has at most four beds.\n\nNobody smokes.",
    )
    assert (found.unproved, found.free) == (["pets"], ["c"])
    assert [(one.id, one.now) for one in found.moved] == [
        ("beds", "A room has at most four beds."),
        ("pets", ""),
    ]
    assert found.unlisted == ["A room has at most four beds.", "Nobody smokes."]
    assert found.to_record()["moved"] == [
        {
            "id": "beds",
            "sentence": "A room has at most two beds.",
            "now": "A room has at most four beds.",
            "scenarios": ["b"],
        },
        {"id": "pets", "sentence": "Pets sleep in the garden.", "now": "", "scenarios": ["train"]},
    ]
    assert not found.is_whole


def test_a_sentence_is_proved_if_each_of_its_holdouts_passed() -> None:
    tested = suite(a=["price", "beds"], b=["beds"], train=["pets"])
    assert proved(tested, {"a", "train"}) == {"price"}
    assert proved(tested, {"a", "b"}) == {"price", "beds"}


def test_agents_get_no_count_that_tells_the_result_of_one_holdout() -> None:
    alone = suite(a=["price"], b=["beds"], c=["pets"])
    assert {told_to_agents(alone, passed, 2) for passed in ({"a"}, {"a", "b", "c"})} == {""}
    one_more = suite(a=["price", "beds"], b=["price", "beds"], c=["pets"])
    assert told_to_agents(one_more, {"a", "b"}, 2) == ""
    tested = suite(a=["price", "beds"], b=["price", "beds"], c=["pets"], d=[])
    # Whether the holdout of `pets` passed makes no difference.
    for size in range(3):
        for passed in combinations("ab", size):
            assert told_to_agents(tested, {*passed}, 2) == told_to_agents(tested, {*passed, "c"}, 2)
    assert told_to_agents(tested, {"a", "b"}, 2) == "2 of 2 sentences proved"
