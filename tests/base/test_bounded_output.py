import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.bounded_output import BoundedOutput, KeptOutput, OutputLimit
from attractor.base.errors import UsageError

sizes = st.integers(0, 40)


def kept(output: bytes, *, head: int, tail: int, pieces: int = 1) -> KeptOutput:
    bounded = BoundedOutput(OutputLimit(head=head, tail=tail))
    step = max(1, len(output) // pieces)
    for start in range(0, len(output), step):
        bounded.add(output[start : start + step])
    return bounded.kept()


def test_an_output_within_the_limit_is_kept_whole():
    assert kept(b"one\ntwo\n", head=4, tail=4) == KeptOutput("one\ntwo\n", 0)
    assert kept(b"", head=0, tail=0) == KeptOutput("", 0)


def test_a_longer_one_keeps_head_and_tail_and_says_what_is_left_out():
    output = b"first\n" + b"." * 1_234_567 + b"\nlast\n"
    assert kept(output, head=6, tail=6).text == (
        "first\n[... 1234567 bytes left out ...]\n\nlast\n"
    )
    assert kept(output, head=6, tail=6).omitted == 1_234_567


def test_the_marker_has_a_line_of_its_own():
    assert kept(b"abcdef", head=2, tail=2).text == "ab\n[... 2 bytes left out ...]\nef"


def test_one_end_alone_can_be_kept():
    assert kept(b"abcdef", head=2, tail=0).text == "ab\n[... 4 bytes left out ...]\n"
    assert kept(b"abcdef", head=0, tail=2).text == "[... 4 bytes left out ...]\nef"
    assert kept(b"abcdef", head=0, tail=0).text == "[... 6 bytes left out ...]\n"


def test_a_character_cut_in_two_counts_as_left_out():
    assert kept("aé€😀".encode() * 3, head=2, tail=3) == KeptOutput(
        "a\n[... 29 bytes left out ...]\n", 29
    )


def test_bytes_that_are_no_text_are_replaced():
    assert kept(b"a\xffb", head=9, tail=0).text == "a\N{REPLACEMENT CHARACTER}b"


@given(st.binary(max_size=120), sizes, sizes, st.integers(1, 12))
def test_how_an_output_is_cut_into_pieces_does_not_matter(
    output: bytes, head: int, tail: int, pieces: int
):
    assert kept(output, head=head, tail=tail, pieces=pieces) == kept(output, head=head, tail=tail)


@given(st.text(max_size=60), sizes, sizes)
def test_what_is_kept_and_what_is_left_out_add_up(text: str, head: int, tail: int):
    output = text.encode()
    result = kept(output, head=head, tail=tail)
    if len(output) <= head + tail:
        assert result == KeptOutput(text, 0)
        return
    first, last = result.text.split(f"[... {result.omitted} bytes left out ...]\n")
    assert text.startswith(first.removesuffix("\n"))
    assert text.endswith(last)
    assert len(last.encode()) <= tail
    marked = {len(first.encode()), len(first.removesuffix("\n").encode())}
    assert len(output) - result.omitted - len(last.encode()) in marked


def test_memory_stays_small_however_much_comes():
    bounded = BoundedOutput(OutputLimit(head=1000, tail=1000))
    piece = b"x" * 10_000
    tracemalloc.start()
    try:
        for _ in range(10_000):
            bounded.add(piece)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
    assert bounded.kept().omitted == 100_000_000 - 2000


@pytest.mark.parametrize(("head", "tail"), [(-1, 0), (0, -1)])
def test_a_limit_below_nothing_is_refused(head: int, tail: int):
    with pytest.raises(UsageError, match="cannot be kept"):
        OutputLimit(head=head, tail=tail)
