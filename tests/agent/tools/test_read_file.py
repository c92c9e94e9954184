from pathlib import Path

import pytest

from attractor.agent.tools.read_file import part
from attractor.base.json import Json
from attractor.environments.errors import FileMissing, NotText
from tests.agent.places import finish, local, write


def read(folder: Path, **arguments: Json) -> str:
    return finish(part.execute({"file_path": "a", **arguments}, local(folder)))


def test_lines_are_numbered(tmp_path: Path) -> None:
    write(tmp_path, a="one\n\n  three\n")
    assert read(tmp_path) == "1 | one\n2 | \n3 |   three"


def test_a_part_is_numbered_as_in_the_file_and_says_how_to_go_on(tmp_path: Path) -> None:
    write(tmp_path, a="1\n2\n3\n4\n5\n")
    assert (
        read(tmp_path, offset=2, limit=2)
        == "2 | 2\n3 | 3\n[more lines follow; continue with offset=4]"
    )
    assert read(tmp_path, offset=4, limit=2) == "4 | 4\n5 | 5"


def test_two_thousand_lines_are_read_when_nothing_is_said(tmp_path: Path) -> None:
    write(tmp_path, a="x\n" * 2001)
    shown = read(tmp_path)
    assert shown.endswith("2000 | x\n[more lines follow; continue with offset=2001]")


def test_nothing_to_show_is_said(tmp_path: Path) -> None:
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
