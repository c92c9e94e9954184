import pytest

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
