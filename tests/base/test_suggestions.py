import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.suggestions import suggest


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("docter", "doctor"),
        ("DOCTOR", "doctor"),
        ("validat", "validate"),
        ("vlaidate", "validate"),
        ("rum", "run"),
        ("dr", ""),
        ("output", ""),
        ("zebra", ""),
        ("", ""),
    ],
)
def test_the_nearest_word_is_suggested(word: str, near: str) -> None:
    assert suggest(word, ["doctor", "validate", "run"]) == near


def test_the_suggestion_is_written_as_the_known_word_is() -> None:
    assert suggest("mdiamund", ["Mdiamond", "Msquare"]) == "Mdiamond"


def test_a_word_of_a_million_letters_takes_no_time() -> None:
    assert suggest("x" * 1_000_000, ["doctor", "validate", "run"]) == ""


def test_nothing_is_suggested_when_nothing_is_known() -> None:
    assert suggest("doctor", []) == ""


@given(st.text("abcd", min_size=5, max_size=40), st.data())
def test_two_neighbours_that_were_swapped_and_a_letter_too_many_are_near(
    word: str, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(word) - 2))
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    assert suggest(f"{swapped}x", [word, "far from that"]) == word
