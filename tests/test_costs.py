"""Quick tests are chosen by what they reach for their seconds, and stay within their budget."""

from tests.areas import ROOT
from tests.costs import BUDGET_S, Costs, Line, choose, folder_of, read_costs, with_new

LINES: list[Line] = [("attractor/part.py", number) for number in range(8)]
REACHED = {
    "tests/room/test_a.py::test_cheap": {LINES[0]},
    "tests/room/test_a.py::test_reaches_nothing_else": {LINES[0]},
    "tests/room/test_a.py::test_reaches_most_for_its_seconds": set(LINES[0:6]),
    "tests/room/test_a.py::test_reaches_less": {LINES[5], LINES[6]},
    "tests/test_b.py::test_reaches_what_two_others_do": set(LINES[4:7]),
    "tests/test_b.py::test_takes_too_long": {LINES[7]},
}
SECONDS = dict(zip(REACHED, [0.05, 1, 2, 1, 2, 5], strict=True))


def test_a_test_is_quick_by_what_no_cheaper_test_reaches() -> None:
    costs = choose(SECONDS, REACHED, floor_s=0.1, budget_s=4)
    assert costs.cheap == {"room": 0.1}
    names = [name.partition("::")[2] for name in costs.quick]
    assert names == ["test_reaches_less", "test_reaches_most_for_its_seconds"]
    assert len(costs.slow) == 3


def test_new_tests_are_slow_if_they_are_dear() -> None:
    known = Costs(1.0, {"a": 1.0}, {"tests/a/q": 2.0}, {"tests/a/s": 3.0})
    measured = {"tests/a/q": 2.1, "tests/a/new": 0.3, "tests/a/one": 0.2, "tests/b/two": 0.06}
    slow = {"tests/a/new": 0.3, "tests/a/s": 3.0}
    assert with_new(known, measured) == Costs(1.0, known.cheap, known.quick, slow)


def test_quick_tests_stay_within_their_budget() -> None:
    assert 0 < read_costs().quick_s <= BUDGET_S


def test_each_room_has_quick_tests() -> None:
    costs = read_costs()
    quick = {*costs.cheap, *map(folder_of, costs.quick)}
    rooms = {readme.parent.name for readme in ROOT.glob("attractor/*/README.md")}
    assert rooms - quick == set()


def test_measured_tests_lie_in_files_that_exist() -> None:
    costs = read_costs()
    files = {name.partition("::")[0] for name in [*costs.quick, *costs.slow]}
    assert [file for file in sorted(files) if not (ROOT / file).is_file()] == []
