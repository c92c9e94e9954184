import pytest

from tests.tables import table


def test_every_failed_case_is_named_and_the_others_are_played() -> None:
    played: list[int] = []

    @table("number", [1, 2, 3])
    def fail_odd(number: int) -> None:
        played.append(number)
        assert number % 2 == 0

    with pytest.raises(BaseExceptionGroup) as caught:
        fail_odd()
    assert played == [1, 2, 3]
    assert [one.__notes__ for one in caught.value.exceptions] == [["case: (1,)"], ["case: (3,)"]]


def test_single_failed_case_is_raised_unchanged() -> None:
    @table(("left", "right"), [("a", "a"), ("a", "b")], ids=["same", "other"])
    def compare(left: str, right: str) -> None:
        assert left == right

    with pytest.raises(AssertionError) as caught:
        compare()
    assert caught.value.__notes__ == ["case: other"]
