"""Tests that reach nothing beyond tests/spec, by the branches that each test reaches."""

from tests.redundant_tests import Branch, redundant, shortened

IN_ROOM: list[Branch] = [("attractor/room/part.py", line, line + 1) for line in range(3)]
ELSEWHERE: list[Branch] = [("attractor/other/part.py", line, line + 1) for line in range(3)]
REACHED = {
    "tests/spec/test_a.py::test_a": {IN_ROOM[0], IN_ROOM[1], ELSEWHERE[0]},
    "tests/room/test_b.py::test_part[1]": {IN_ROOM[0]},
    "tests/room/test_b.py::test_part[2]": {IN_ROOM[1], ELSEWHERE[0]},
    "tests/room/test_b.py::test_own_branch": {IN_ROOM[0], IN_ROOM[2], ELSEWHERE[1]},
    "tests/room/test_b.py::test_branch_of_a_test_that_stays": {IN_ROOM[0], ELSEWHERE[1]},
    "tests/room/test_b.py::test_own_branch_elsewhere": {IN_ROOM[0], ELSEWHERE[2]},
}


def test_a_test_without_an_own_branch_is_redundant() -> None:
    assert redundant(REACHED, "room") == {
        "tests/room/test_b.py::test_part[1]",
        "tests/room/test_b.py::test_part[2]",
        "tests/room/test_b.py::test_branch_of_a_test_that_stays",
    }


def test_a_function_is_named_once_if_all_its_cases_are_redundant() -> None:
    cases = ["test_part[1]", "test_part[2]", "test_other[1]", "test_other[2]"]
    assert shortened({*cases[:3]}, cases) == ["test_other[1]", "test_part"]
