import pytest

from attractor.twins.places import Place, written_path


@pytest.mark.parametrize(
    ("place", "written"),
    [
        ((), ""),
        (("rules",), "rules"),
        (("rules", 0), "rules[0]"),
        (("rules", 10, "when", "step"), "rules[10].when.step"),
        ((3, "name"), "[3].name"),
        (("rows", 1, 2), "rows[1][2]"),
        (("q r", "x"), "q r.x"),
    ],
)
def test_a_place_is_written_as_people_write_it(place: Place, written: str) -> None:
    assert written_path(place) == written


def test_a_number_is_a_step_into_a_list_and_a_text_one_into_a_table() -> None:
    assert written_path(("rules", "0")) == "rules.0" != written_path(("rules", 0))


def test_steps_may_come_one_by_one() -> None:
    assert written_path(step for step in ("a", 1)) == "a[1]"
