import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TextIO

import pytest

from attractor.interviewers.lines import Lines


@dataclass
class Wire:
    """A stream that is read, and the end that writes into it."""

    stream: TextIO
    writing: int

    def write(self, data: bytes) -> None:
        os.write(self.writing, data)

    def close(self) -> None:
        with suppress(OSError):
            os.close(self.writing)


@pytest.fixture(params=["pipe", "terminal"])
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    if request.param == "pipe":
        reading, writing = os.pipe()
    else:
        writing, reading = os.openpty()
    with os.fdopen(reading, encoding="utf-8") as stream:
        made = Wire(stream, writing)
        yield made
        made.close()


def read(lines: Lines, times: int = 1) -> list[str | None]:
    async def next_lines() -> list[str | None]:
        return [await lines.next() for _ in range(times)]

    return asyncio.run(asyncio.wait_for(next_lines(), 20))


def test_lines_come_one_by_one(wire: Wire) -> None:
    wire.write("yes\nnö\n".encode())
    lines = Lines(wire.stream)
    assert read(lines) == ["yes"]
    assert read(lines) == ["nö"]


def test_the_end_of_the_input_is_told_every_time(wire: Wire) -> None:
    lines = Lines(wire.stream)
    wire.write(b"yes\n")
    assert read(lines) == ["yes"]
    wire.close()
    assert read(lines, times=2) == [None, None]


def test_a_line_that_comes_in_pieces_is_one_line(wire: Wire) -> None:
    async def talk() -> str | None:
        waiting = asyncio.create_task(Lines(wire.stream).next())
        for piece in (b"y", b"e", b"s\n"):
            await asyncio.sleep(0)
            wire.write(piece)
        return await waiting

    assert asyncio.run(asyncio.wait_for(talk(), 20)) == "yes"


def test_who_stops_waiting_leaves_nothing_behind_and_loses_nothing(wire: Wire) -> None:
    lines = Lines(wire.stream)

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lines.next(), 0.03)

    threads = threading.active_count()
    asyncio.run(give_up())
    assert threading.active_count() == threads
    wire.write(b"late\n")
    assert read(lines) == ["late"]


def test_the_event_loop_watches_a_stream_only_while_a_line_is_awaited(wire: Wire) -> None:
    async def is_watched_after() -> bool:
        lines = Lines(wire.stream)
        wire.write(b"yes\n")
        assert await lines.next() == "yes"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lines.next(), 0.03)
        return asyncio.get_running_loop().remove_reader(wire.stream.fileno())

    assert asyncio.run(is_watched_after()) is False


@pytest.mark.parametrize("turns", range(5))
def test_what_another_reader_took_is_waited_for_again(turns: int) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    async def talk() -> str | None:
        waiting = asyncio.create_task(Lines(stream).next())
        await asyncio.sleep(0)
        os.write(writing, b"x")
        for _ in range(turns):
            await asyncio.sleep(0)
        with suppress(BlockingIOError):
            os.read(reading, 1)
        for _ in range(5):
            await asyncio.sleep(0)
        os.write(writing, b"yes\n")
        return await waiting

    with os.fdopen(reading) as stream:
        assert asyncio.run(asyncio.wait_for(talk(), 20)) in ("yes", "xyes")
    os.close(writing)


def test_half_a_line_outlives_who_stops_waiting() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stream:
        lines = Lines(stream)

        async def give_up() -> None:
            os.write(writing, b"ye")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(lines.next(), 0.03)

        asyncio.run(give_up())
        os.write(writing, b"s\n")
        os.close(writing)
        assert read(lines, times=2) == ["yes", None]


def test_a_last_line_without_an_end_is_a_line() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"one\r\ntwo")
    os.close(writing)
    with os.fdopen(reading) as stream:
        assert read(Lines(stream), times=3) == ["one", "two", None]


def test_broken_text_is_read_with_a_mark() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"n\xff\n")
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stream:
        assert read(Lines(stream)) == ["n\N{REPLACEMENT CHARACTER}"]


def test_a_reader_that_does_not_block_waits_all_the_same() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    async def talk() -> str | None:
        waiting = asyncio.create_task(Lines(stream).next())
        await asyncio.sleep(0)
        os.write(writing, b"yes\n")
        return await waiting

    with os.fdopen(reading) as stream:
        assert asyncio.run(asyncio.wait_for(talk(), 20)) == "yes"
    os.close(writing)


def test_input_without_any_line_is_cut_into_pieces(tmp_path: Path) -> None:
    file = tmp_path / "endless"
    file.write_text("x" * 200_000)
    with file.open() as stream:
        pieces = read(Lines(stream), times=5)
    assert max(len(piece or "") for piece in pieces) < 70_000
    assert "".join(piece or "" for piece in pieces) == "x" * 200_000


def test_a_file_is_read_like_a_terminal(tmp_path: Path) -> None:
    file = tmp_path / "answers"
    file.write_text("yes\nno\n")
    with file.open() as stream:
        assert read(Lines(stream), times=3) == ["yes", "no", None]


def test_nothing_can_be_read_from_nowhere() -> None:
    with Path(os.devnull).open() as stream:
        assert read(Lines(stream)) == [None]


def test_text_in_memory_is_read_too() -> None:
    assert read(Lines(StringIO("yes\n\nno")), times=4) == ["yes", "", "no", None]


def test_a_closed_stream_is_at_its_end() -> None:
    stream = StringIO("yes\n")
    stream.close()
    assert read(Lines(stream)) == [None]


def test_what_was_typed_before_is_dropped_and_told() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, encoding="utf-8") as stream:
        lines = Lines(stream)
        os.write(ours, "früh\nmore\nhal".encode())
        assert read(lines) == ["früh"]
        assert lines.drop() == "more\n"
        os.write(ours, b"f\nlate\n")
        # Half a line is gone as well.
        assert read(lines, times=2) == ["f", "late"]
        assert lines.drop() == ""
    os.close(ours)


def test_a_terminal_that_is_closed_has_nothing_to_drop() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, encoding="utf-8") as stream:
        os.close(ours)
        assert Lines(stream).drop() == ""
    assert Lines(StringIO("text in memory")).drop() == ""
