""""""

import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.errors import UsageError
from attractor.base.process_output import BoundedOutput, OutputChunk, OutputLimit, TruncatedOutput
from tests.base.running import run, sh
from tests.counts import count


def test_output_is_standard_output_then_standard_error():
    assert sh("echo err >&2; echo out").output == "out\nerr\n"
    assert sh("printf out; printf err >&2").output == "out\nerr"
    assert sh("printf err >&2").output == "err"


@pytest.mark.parametrize("size", [1, 65_536, 3_000_000])
def test_standard_input_is_handed_over_whole(size: int):
    text = "x" * (size - 1) + "\n"
    keep = OutputLimit(head=size, tail=0)
    assert run("cat", stdin=text.encode(), keep=keep).stdout == text


def test_standard_input_can_be_opened_by_its_name():
    assert run("cat", "/dev/stdin", stdin=b"hello").stdout == "hello"


def test_standard_input_that_is_not_read_is_no_error(caplog: pytest.LogCaptureFixture):
    assert run("true", stdin=b"x" * 10_000_000).exit_code == 0
    result = run("sh", "-c", "exec <&-; echo closed; sleep 0.05", stdin=b"x" * 10_000_000)
    assert (result.stdout, result.exit_code) == ("closed\n", 0)
    assert not caplog.records


def test_without_standard_input_there_is_nothing_to_read_not_even_ours():
    ours, typed = os.pipe()
    os.write(typed, b"typed by a person\n")
    os.close(typed)
    before = os.dup(0)
    os.dup2(ours, 0)
    try:
        assert run("cat").output == ""
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(ours)


def test_every_chunk_is_handed_on_in_order_also_what_is_left_out():
    chunks: list[OutputChunk] = []
    script = "i=0; while [ $i -lt 3000 ]; do echo out$i; echo err$i >&2; i=$((i+1)); done"
    keep = OutputLimit(head=10, tail=10)
    result = run("sh", "-c", script, on_output=chunks.append, keep=keep)
    for stream in ("stdout", "stderr"):
        said = "".join(chunk.text for chunk in chunks if chunk.stream == stream)
        assert said == "".join(f"{stream[3:]}{number}\n" for number in range(3000))
        assert len(said) == 20 + result.stdout_omitted
    assert result.stdout == (
        f"out0\nout1\n[... {result.stdout_omitted} bytes omitted ...]\n8\nout2999\n"
    )


def test_chunks_come_while_the_program_runs(tmp_path: Path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f'echo ready; read -r answer < "{fifo}"; echo "$answer"'

    def answer(chunk: OutputChunk) -> None:
        if chunk.text == "ready\n":
            fifo.write_text("answered\n")

    assert run("sh", "-c", script, on_output=answer).stdout == "ready\nanswered\n"


def test_a_character_that_comes_in_two_pieces_is_put_together(tmp_path: Path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = rf'printf "a\303"; read -r _ < "{fifo}"; printf "\251\377b\342\202"'
    chunks: list[str] = []

    def go_on(chunk: OutputChunk) -> None:
        chunks.append(chunk.text)
        if len(chunks) == 1:
            fifo.write_text("go on\n")

    result = run("sh", "-c", script, on_output=go_on)
    assert chunks[0] == "a"
    assert "".join(chunks) == result.stdout == "aé\ufffdb\ufffd"


def test_a_gigabyte_is_printed_in_little_memory():
    size = count(ci=50, full=1000) * 1_000_000
    tracemalloc.start()
    try:
        keep = OutputLimit(head=1000, tail=1000)
        result = run("head", "-c", str(size), "/dev/zero", keep=keep)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert result.stdout_omitted == size - 2000
    assert len(result.stdout) < 2100


sizes = st.integers(0, 40)


def kept(output: bytes, *, head: int, tail: int, pieces: int = 1) -> TruncatedOutput:
    bounded = BoundedOutput(OutputLimit(head=head, tail=tail))
    step = max(1, len(output) // pieces)
    for start in range(0, len(output), step):
        bounded.add(output[start : start + step])
    return bounded.kept()


def test_an_output_within_the_limit_is_kept_whole():
    assert kept(b"one\ntwo\n", head=4, tail=4) == TruncatedOutput("one\ntwo\n", 0)
    assert kept(b"", head=0, tail=0) == TruncatedOutput("", 0)


def test_a_longer_one_keeps_head_and_tail_and_says_what_is_left_out():
    output = b"first\n" + b"." * 1_234_567 + b"\nlast\n"
    assert kept(output, head=6, tail=6).text == ("first\n[... 1234567 bytes omitted ...]\n\nlast\n")
    assert kept(output, head=6, tail=6).omitted == 1_234_567


def test_the_marker_has_a_line_of_its_own():
    assert kept(b"abcdef", head=2, tail=2).text == "ab\n[... 2 bytes omitted ...]\nef"


def test_one_end_alone_can_be_kept():
    assert kept(b"abcdef", head=2, tail=0).text == "ab\n[... 4 bytes omitted ...]\n"
    assert kept(b"abcdef", head=0, tail=2).text == "[... 4 bytes omitted ...]\nef"
    assert kept(b"abcdef", head=0, tail=0).text == "[... 6 bytes omitted ...]\n"


def test_a_character_cut_in_two_counts_as_left_out():
    assert kept("aé€😀".encode() * 3, head=2, tail=3) == TruncatedOutput(
        "a\n[... 29 bytes omitted ...]\n", 29
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
        assert result == TruncatedOutput(text, 0)
        return
    first, last = result.text.split(f"[... {result.omitted} bytes omitted ...]\n")
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
    with pytest.raises(UsageError, match="invalid output limit"):
        OutputLimit(head=head, tail=tail)
