import os
import tracemalloc
from pathlib import Path

import pytest

from attractor.base.bounded_output import OutputLimit
from attractor.base.process_pipes import Chunk
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
    chunks: list[Chunk] = []
    script = "i=0; while [ $i -lt 3000 ]; do echo out$i; echo err$i >&2; i=$((i+1)); done"
    keep = OutputLimit(head=10, tail=10)
    result = run("sh", "-c", script, on_output=chunks.append, keep=keep)
    for stream in ("stdout", "stderr"):
        said = "".join(chunk.text for chunk in chunks if chunk.stream == stream)
        assert said == "".join(f"{stream[3:]}{number}\n" for number in range(3000))
        assert len(said) == 20 + result.stdout_omitted
    assert result.stdout == (
        f"out0\nout1\n[... {result.stdout_omitted} bytes left out ...]\n8\nout2999\n"
    )


def test_chunks_come_while_the_program_runs(tmp_path: Path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = f'echo ready; read -r answer < "{fifo}"; echo "$answer"'

    def answer(chunk: Chunk) -> None:
        if chunk.text == "ready\n":
            fifo.write_text("answered\n")

    assert run("sh", "-c", script, on_output=answer).stdout == "ready\nanswered\n"


def test_a_character_that_comes_in_two_pieces_is_put_together(tmp_path: Path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    script = rf'printf "a\303"; read -r _ < "{fifo}"; printf "\251\377b\342\202"'
    chunks: list[str] = []

    def go_on(chunk: Chunk) -> None:
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
