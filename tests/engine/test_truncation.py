from hypothesis import given, strategies as st

from attractor.base.processes import OutputLimit
from attractor.engine.truncation import keep_ends, shorten


@given(st.text(), st.integers(1, 30))
def test_a_shortened_text_fits_and_shows_the_cut(text: str, length: int) -> None:
    short = shorten(text, length)
    assert len(short) <= length
    assert short == text or short == text[: length - 1] + "…"
    assert (short == text) or len(text) > length


def test_long_text_keeps_both_ends() -> None:
    kept = keep_ends("begin " + "x" * 50 + " end", OutputLimit(head=6, tail=4))
    assert kept == "begin \n[... 50 bytes omitted ...]\n end"


def test_lone_surrogate_is_replaced() -> None:
    assert keep_ends("a\ud800b") == "a?b"
