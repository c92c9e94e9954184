"""Files of a stage, and the live output of its command, without secrets."""

import asyncio
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import FileError
from attractor.base.json import parse_json
from attractor.base.processes import OutputChunk
from attractor.engine.stage.folder import (
    LONGEST_LINE,
    MOST_LINES,
    TAIL,
    FolderFiles,
    OutputTail,
    begin_attempt,
    write_tail,
)
from attractor.engine.storage.secrets import Redactor
from tests.counts import count
from tests.handlers.stages import KeptFiles
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.anyio


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    begin_attempt(tmp_path / "work", 1, 1)
    return tmp_path / "work"


def files_in(folder: Path) -> dict[str, str]:
    return {
        str(one.relative_to(folder)): one.read_text() for one in folder.rglob("*") if one.is_file()
    }


def test_no_link_is_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    (folder / "a.txt").symlink_to(outside)
    (folder / "log.txt").symlink_to(outside)
    files = FolderFiles(folder, Redactor())
    files.write("a.txt", "theirs")
    with pytest.raises(FileError):
        files.append("log.txt", "theirs")
    assert outside.read_text() == "mine"


def test_linked_stage_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "work").symlink_to("elsewhere")
    with pytest.raises(FileError):
        begin_attempt(tmp_path / "work", 1, 1)
    with pytest.raises(FileError):
        FolderFiles(tmp_path / "work", Redactor()).write("a.txt", "x")
    assert files_in(tmp_path / "elsewhere") == {}


def test_the_status_is_redacted_too(folder: Path) -> None:
    FolderFiles(folder, Redactor(["password"])).finish({"notes": "the password"})
    assert parse_json((folder / "status.json").read_text()) == {"notes": "the ***"}


SECRET = "hunter2-hunter2"
LINES = "-----BEGIN-----\nabcdefgh\nxyz"
OFTEN_S = 0.01


def chunk(text: str, stream: Literal["stdout", "stderr"] = "stdout") -> OutputChunk:
    return OutputChunk(stream, text)


def kept(*chunks: OutputChunk) -> str:
    tail = OutputTail()
    for one in chunks:
        tail.add(one)
    return tail.take()


def test_only_whole_lines_are_kept() -> None:
    assert kept(chunk("one\ntw")) == "one\n"
    assert kept(chunk("one\ntw"), chunk("o\n")) == "one\ntwo\n"
    assert kept(chunk("10%\r20%\r30")) == "10%\r20%\r"
    assert kept(chunk("half")) == ""


def test_lines_of_both_streams_are_not_mixed() -> None:
    assert kept(chunk("ou"), chunk("err\n", "stderr"), chunk("t\n")) == "err\nout\n"


def test_only_the_last_lines_are_kept() -> None:
    text = kept(chunk("".join(f"{number}\n" for number in range(10_000))))
    assert text.splitlines() == [str(number) for number in range(10_000 - MOST_LINES, 10_000)]


def test_too_long_line_is_left_out_in_little_memory() -> None:
    tail = OutputTail()
    for _ in range(100):
        tail.add(chunk("x" * LONGEST_LINE))
    tail.add(chunk("\nnext\n"))
    assert tail.take() == f"[a line of more than {LONGEST_LINE} characters]\nnext\n"


def test_tail_returns_only_new_lines() -> None:
    tail = OutputTail()
    tail.add(chunk("one\n"))
    assert (tail.take(), tail.take()) == ("one\n", "")
    tail.add(chunk("two\nthr"))
    assert tail.take() == "one\ntwo\n"


@given(st.lists(st.integers(1, 9), max_size=count(ci=20, full=40)))
def test_secret_is_redacted_across_pieces(sizes: list[int]) -> None:
    text = f"key={SECRET} end\n{SECRET}\n{LINES}\nlast\n"
    redactor, tail = Redactor([SECRET, LINES]), OutputTail()
    shown: list[str] = []
    for size in [*sizes, len(text)]:
        piece, text = text[:size], text[size:]
        tail.add(chunk(piece))
        shown.append(redactor.text(tail.take()))
    assert all("hunter2" not in one and "abcdefgh" not in one for one in shown)
    assert [one for one in shown if one][-1] == "key=*** end\n***\n***\nlast\n"


async def test_the_file_is_written_while_the_command_is_at_work(tmp_path: Path) -> None:
    files = FolderFiles(tmp_path, Redactor([SECRET]))
    file = tmp_path / TAIL
    async with write_tail(files, often_s=OFTEN_S) as hear:
        hear(chunk(f"uses {SECRET[:5]}"))
        hear(chunk(f"{SECRET[5:]}\n"))
        while not file.exists():
            await asyncio.sleep(OFTEN_S)
        assert file.read_text() == "uses ***\n"


async def test_short_command_writes_no_tail_file() -> None:
    files = KeptFiles()
    async with write_tail(files) as hear:
        hear(chunk("quick\n"))
    assert files.texts == {}


def test_canceled_command_keeps_output() -> None:
    files = KeptFiles()

    async def scene() -> None:
        task = asyncio.current_task()
        assert task
        async with write_tail(files) as hear:
            hear(chunk("about to hang\n"))
            task.cancel()
            await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(scene())
    assert files.texts == {TAIL: "about to hang\n"}


def test_a_disk_that_refuses_does_not_end_the_command(tmp_path: Path) -> None:
    files = FolderFiles(tmp_path / "gone", Redactor())

    async def scene() -> str:
        async with write_tail(files, often_s=OFTEN_S) as hear:
            hear(chunk("line\n"))
            while files.trouble is None:
                await asyncio.sleep(OFTEN_S)
            return "went on"

    assert asyncio.run(asyncio.wait_for(scene(), PATIENCE_S)) == "went on"
