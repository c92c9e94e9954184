import base64
from pathlib import Path

import pytest

from attractor.agent.tool_calls.tool import ToolOutput
from attractor.agent.tools.read_file import MAX_IMAGE, part
from attractor.base.json import Json
from attractor.environments.errors import FileMissing, FileUnusable, NotText
from attractor.llm.messages import ImageData
from tests.agent.places import finish, local, write
from tests.agent.twinned import WIRES, says, submit, talk, use, uses
from tests.tables import table


def read(folder: Path, **arguments: Json) -> str:
    return finish(part.execute({"file_path": "a", **arguments}, local(folder)))


def test_lines_are_numbered(tmp_path: Path) -> None:
    write(tmp_path, a="one\n\n  three\n")
    assert read(tmp_path) == "1 | one\n2 | \n3 |   three"


def test_part_has_file_line_numbers_and_the_next_offset(tmp_path: Path) -> None:
    write(tmp_path, a="1\n2\n3\n4\n5\n")
    assert (
        read(tmp_path, offset=2, limit=2)
        == "2 | 2\n3 | 3\n[more lines follow; continue with offset=4]"
    )
    assert read(tmp_path, offset=4, limit=2) == "4 | 4\n5 | 5"


def test_default_limit_is_two_thousand_lines(tmp_path: Path) -> None:
    write(tmp_path, a="x\n" * 2001)
    shown = read(tmp_path)
    assert shown.endswith("2000 | x\n[more lines follow; continue with offset=2001]")


def test_empty_file_is_reported(tmp_path: Path) -> None:
    write(tmp_path, a="")
    assert read(tmp_path) == "[a is empty]"
    write(tmp_path, a="x\n")
    assert read(tmp_path, offset=9) == "[a has no line 9]"


def test_a_file_that_is_not_there_or_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        read(tmp_path)
    (tmp_path / "a").write_bytes(b"\x00\x01")
    with pytest.raises(NotText):
        read(tmp_path)


PNG = b"\x89PNG\r\n\x1a\n\0\0"


@table(
    ("data", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\0", "image/jpeg"),
        (b"GIF89a\1\0\1\0\0", "image/gif"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_an_image_is_shown_whatever_its_name(tmp_path: Path, data: bytes, kind: str) -> None:
    (tmp_path / "a").write_bytes(data)
    shown = finish(part.run({"file_path": "a"}, local(tmp_path)))
    text = f"[a: {kind}, {len(data)} bytes]"
    assert shown == ToolOutput(text, ImageData(None, data, kind))


@table("wire", WIRES)
def test_an_image_reaches_the_model(tmp_path: Path, wire: str) -> None:
    (tmp_path / "a").write_bytes(PNG)
    answers = [uses(use("read_file", {"file_path": "a"})), says("ok")]
    done = talk(tmp_path, wire, answers, submit("Look"))
    assert base64.b64encode(PNG).decode() in done.last_request


def test_a_large_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(PNG + bytes(MAX_IMAGE))
    with pytest.raises(FileUnusable, match="more than 3750000 bytes") as refused:
        read(tmp_path)
    assert "smaller copy" in refused.value.hint


def test_a_notebook_is_read_in_parts_like_a_text(tmp_path: Path) -> None:
    write(tmp_path, a__ipynb='{"cells": [{"cell_type": "code", "source": "x\\ny"}]}')
    path = {"file_path": "a.ipynb"}
    assert read(tmp_path, **path) == "[cell 1: code]\n1.1 | x\n1.2 | y"
    assert (
        read(tmp_path, **path, offset=2, limit=1)
        == "1.1 | x\n[more lines follow; continue with offset=3]"
    )
    assert read(tmp_path, **path, offset=9) == "[a.ipynb has no line 9]"


def test_an_invalid_notebook_is_shown_as_text(tmp_path: Path) -> None:
    write(tmp_path, a__ipynb="{")
    assert read(tmp_path, file_path="a.ipynb") == "1 | {"
