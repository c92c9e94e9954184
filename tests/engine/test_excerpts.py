from hypothesis import given
from hypothesis import strategies as st

from attractor.base.process_output import OutputLimit
from attractor.engine.excerpts import LONGEST_RESPONSE, keep_ends, response_updates, shorten


@given(st.text(), st.integers(1, 30))
def test_a_shortened_text_fits_and_shows_the_cut(text: str, length: int) -> None:
    short = shorten(text, length)
    assert len(short) <= length
    assert short == text or short == text[: length - 1] + "…"
    assert (short == text) or len(text) > length


def test_a_text_that_just_fits_is_whole() -> None:
    assert shorten("x" * 200, 200) == "x" * 200
    assert shorten("x" * 201, 200) == "x" * 199 + "…"


def test_the_two_ends_of_a_long_text_are_kept_with_a_line_between() -> None:
    kept = keep_ends("begin " + "x" * 50 + " end", OutputLimit(head=6, tail=4))
    assert kept == "begin \n[... 50 bytes left out ...]\n end"


def test_a_short_text_is_kept_as_it_is() -> None:
    assert keep_ends("one\ntwo\n") == "one\ntwo\n"


def test_half_a_character_stops_nothing() -> None:
    assert keep_ends("a\ud800b") == "a?b"


def test_what_is_remembered_of_a_long_response_shows_that_it_was_cut() -> None:
    assert response_updates("plan", "short") == {"last_stage": "plan", "last_response": "short"}
    cut = str(response_updates("plan", "x" * 500)["last_response"])
    assert (len(cut), cut[-1]) == (LONGEST_RESPONSE, "…")
