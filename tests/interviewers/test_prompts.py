import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import TextIO

import pytest

from attractor.engine.questions.question import EnclosingBranch, Option, QuestionKind
from attractor.interviewers.prompts import LineReader, shown_line, shown_question
from tests.interviewers.questions import GATE, question
from tests.patience import PATIENCE_S
from tests.tables import table


@table(
    ("option", "line"),
    [
        (Option("Y", "[Y] Yes"), "[Y] Yes"),
        (Option("Y", "Y) Yes"), "Y) Yes"),
        (Option("Y", "y - yes"), "y - yes"),
        (Option("Y", "Yes"), "[Y] Yes"),
        (Option("1", "[Y] Yes"), "[1] [Y] Yes"),
        (Option("1", "Yes"), "[1] Yes"),
        (Option("是", "是的，部署"), "[是] 是的，部署"),
    ],
)
def test_a_key_is_shown_once(option: Option, line: str) -> None:
    shown = shown_question(question(QuestionKind.MULTIPLE_CHOICE, option))
    assert shown == f"[?] Deploy?\n  {line}\n"


def test_question_shows_its_item() -> None:
    item = EnclosingBranch("each@1.1/2", "2", "each", "be\x1bta", 2, 3)
    shown = shown_question(replace(GATE, within=(item, EnclosingBranch("k", "a", "fan"))))
    assert shown.startswith("[?] Deploy?\n  (item 2 of 3 of each: be")
    assert "\n  (branch a of fan)\n  [" in shown
    assert "\x1b" not in shown


def test_control_characters_in_question_are_escaped() -> None:
    shown = shown_question(
        replace(GATE, text="Go?\x1b[2J\nNow?\r", options=(Option("Y", "Yes\x1b]0;x\x07\nNo"),))
    )
    assert not {"\x1b", "\r", "\x07"} & set(shown)
    assert shown.count("\n") == 3
    assert "Now?" in shown


def test_a_very_long_question_keeps_its_two_ends() -> None:
    shown = shown_question(replace(GATE, text=f"Begin {'größe ' * 100_000} End?"))
    assert len(shown) < 10_000
    assert shown.startswith("[?] Begin")
    assert " End?\n" in shown
    assert "bytes omitted" in shown
    assert len(shown_line("x" * 100_000)) < 1000


def test_deadline_and_default_are_shown() -> None:
    late = replace(GATE, deadline="2026-01-01T12:00:00+00:00", default="N")
    last = shown_question(late).splitlines()[-1]
    assert last.startswith("  (until ")
    assert last.endswith(":00, then No)")
    assert shown_question(replace(late, default="")).splitlines()[-1].endswith(":00)")


@dataclass
class Wire:
    """A stream to read, and the end that writes into it."""

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


def read(lines: LineReader, times: int = 1) -> list[str | None]:
    async def next_lines() -> list[str | None]:
        return [await lines.next() for _ in range(times)]

    return asyncio.run(asyncio.wait_for(next_lines(), PATIENCE_S))


def test_lines_come_one_by_one(wire: Wire) -> None:
    wire.write("yes\nnö\n".encode())
    lines = LineReader(wire.stream)
    assert read(lines) == ["yes"]
    assert read(lines) == ["nö"]


def test_end_of_input_is_reported_each_time(wire: Wire) -> None:
    lines = LineReader(wire.stream)
    wire.write(b"yes\n")
    assert read(lines) == ["yes"]
    wire.close()
    assert read(lines, times=2) == [None, None]


def test_a_line_that_comes_in_pieces_is_one_line(wire: Wire) -> None:
    async def talk() -> str | None:
        waiting = asyncio.create_task(LineReader(wire.stream).next())
        for piece in (b"y", b"e", b"s\n"):
            await asyncio.sleep(0)
            wire.write(piece)
        return await waiting

    assert asyncio.run(asyncio.wait_for(talk(), PATIENCE_S)) == "yes"


def test_canceled_ask_keeps_typed_lines(wire: Wire) -> None:
    lines = LineReader(wire.stream)

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
        lines = LineReader(wire.stream)
        wire.write(b"yes\n")
        assert await lines.next() == "yes"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(lines.next(), 0.03)
        return asyncio.get_running_loop().remove_reader(wire.stream.fileno())

    assert asyncio.run(is_watched_after()) is False


@table("turns", range(5))
def test_input_taken_by_other_reader_is_awaited_again(turns: int) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    async def talk() -> str | None:
        waiting = asyncio.create_task(LineReader(stream).next())
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
        assert asyncio.run(asyncio.wait_for(talk(), PATIENCE_S)) in ("yes", "xyes")
    os.close(writing)


def test_incomplete_line_survives_canceled_read() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stream:
        lines = LineReader(stream)

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
        assert read(LineReader(stream), times=3) == ["one", "two", None]


def test_broken_text_is_read_with_a_mark() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"n\xff\n")
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stream:
        assert read(LineReader(stream)) == ["n\N{REPLACEMENT CHARACTER}"]


def test_reader_waits_for_a_nonblocking_input() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    async def talk() -> str | None:
        waiting = asyncio.create_task(LineReader(stream).next())
        await asyncio.sleep(0)
        os.write(writing, b"yes\n")
        return await waiting

    with os.fdopen(reading) as stream:
        assert asyncio.run(asyncio.wait_for(talk(), PATIENCE_S)) == "yes"
    os.close(writing)


def test_input_without_any_line_is_cut_into_pieces(tmp_path: Path) -> None:
    file = tmp_path / "endless"
    file.write_text("x" * 200_000)
    with file.open() as stream:
        pieces = read(LineReader(stream), times=5)
    assert max(len(piece or "") for piece in pieces) < 70_000
    assert "".join(piece or "" for piece in pieces) == "x" * 200_000


def test_a_file_is_read_like_a_terminal(tmp_path: Path) -> None:
    file = tmp_path / "answers"
    file.write_text("yes\nno\n")
    with file.open() as stream:
        assert read(LineReader(stream), times=3) == ["yes", "no", None]


def test_missing_input_reads_as_end_of_input() -> None:
    with Path(os.devnull).open() as stream:
        assert read(LineReader(stream)) == [None]


def test_text_in_memory_is_read_too() -> None:
    assert read(LineReader(StringIO("yes\n\nno")), times=4) == ["yes", "", "no", None]


def test_a_closed_stream_is_at_its_end() -> None:
    stream = StringIO("yes\n")
    stream.close()
    assert read(LineReader(stream)) == [None]


def test_early_input_is_dropped_with_message() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, encoding="utf-8") as stream:
        lines = LineReader(stream)
        os.write(ours, "früh\nmore\nhal".encode())
        assert read(lines) == ["früh"]
        assert lines.drop() == "more\n"
        os.write(ours, b"f\nlate\n")
        # The unfinished line is discarded, too.
        assert read(lines, times=2) == ["f", "late"]
        assert lines.drop() == ""
    os.close(ours)


def test_closed_terminal_has_no_input_to_drop() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, encoding="utf-8") as stream:
        os.close(ours)
        assert LineReader(stream).drop() == ""
    assert LineReader(StringIO("text in memory")).drop() == ""
