import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import UsageError
from attractor.base.processes import BoundedOutput, OutputChunk, OutputLimit, TruncatedOutput
from tests.base.running import run
from tests.counts import count
from tests.tables import table


@table("size", [1, 65_536, 3_000_000])
def test_stdin_is_passed_completely(size: int):
    text = "x" * (size - 1) + "\n"
    keep = OutputLimit(head=size, tail=0)
    assert run("cat", stdin=text.encode(), keep=keep).stdout == text


def test_stdin_can_be_opened_by_name():
    assert run("cat", "/dev/stdin", stdin=b"hello").stdout == "hello"


def test_unread_stdin_is_no_error(caplog: pytest.LogCaptureFixture):
    assert run("true", stdin=b"x" * 10_000_000).exit_code == 0
    result = run("sh", "-c", "exec <&-; echo closed; sleep 0.05", stdin=b"x" * 10_000_000)
    assert (result.stdout, result.exit_code) == ("closed\n", 0)
    assert not caplog.records


def test_default_stdin_is_empty():
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


def test_callback_gets_all_output_in_order():
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


def test_callback_is_called_while_the_program_runs(tmp_path: Path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f'echo ready; read -r answer < "{fifo}"; echo "$answer"'

    def answer(chunk: OutputChunk) -> None:
        if chunk.text == "ready\n":
            fifo.write_text("answered\n")

    assert run("sh", "-c", script, on_output=answer).stdout == "ready\nanswered\n"


def test_character_in_two_pieces_is_joined(tmp_path: Path):
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


def test_large_output_needs_little_memory():
    size = count(ci=20, full=1000) * 1_000_000
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


def test_long_output_keeps_head_and_tail():
    output = b"first\n" + b"." * 1_234_567 + b"\nlast\n"
    assert kept(output, head=6, tail=6).text == ("first\n[... 1234567 bytes omitted ...]\n\nlast\n")
    assert kept(output, head=6, tail=6).omitted == 1_234_567


def test_one_end_can_be_omitted():
    assert kept(b"abcdef", head=2, tail=0).text == "ab\n[... 4 bytes omitted ...]\n"
    assert kept(b"abcdef", head=0, tail=2).text == "[... 4 bytes omitted ...]\nef"
    assert kept(b"abcdef", head=0, tail=0).text == "[... 6 bytes omitted ...]\n"


def test_cut_character_counts_as_omitted():
    assert kept("aé€😀".encode() * 3, head=2, tail=3) == TruncatedOutput(
        "a\n[... 29 bytes omitted ...]\n", 29
    )


@given(st.binary(max_size=120), sizes, sizes, st.integers(1, 12))
def test_kept_output_does_not_depend_on_its_pieces(
    output: bytes, head: int, tail: int, pieces: int
):
    assert kept(output, head=head, tail=tail, pieces=pieces) == kept(output, head=head, tail=tail)


@given(st.text(max_size=60), sizes, sizes)
def test_kept_and_omitted_bytes_add_up(text: str, head: int, tail: int):
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


@table(("head", "tail"), [(-1, 0), (0, -1)])
def test_negative_limit_is_refused(head: int, tail: int):
    with pytest.raises(UsageError, match="invalid output limit"):
        OutputLimit(head=head, tail=tail)
