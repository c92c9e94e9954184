from pathlib import Path

import pytest

from attractor.agent.errors import ToolError
from attractor.agent.tools.edit_file import part
from attractor.base.json import Json
from tests.agent.places import finish, local, write


def edit(folder: Path, old: str, new: str, **more: Json) -> str:
    arguments = {"file_path": "a", "old_string": old, "new_string": new, **more}
    return finish(part.execute(arguments, local(folder)))


def test_a_unique_text_is_replaced(tmp_path: Path) -> None:
    write(tmp_path, a="x = 1\ny = 2\n")
    assert edit(tmp_path, "y = 2", "y = 3\nz = 4") == "Made 1 replacement in a"
    assert (tmp_path / "a").read_text() == "x = 1\ny = 3\nz = 4\n"


def test_every_occurrence_is_replaced_on_request(tmp_path: Path) -> None:
    write(tmp_path, a="x x\nx\n")
    assert edit(tmp_path, "x", "y", replace_all=True) == "Made 3 replacements in a"
    assert (tmp_path / "a").read_text() == "y y\ny\n"


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("x", "y", "old_string occurs 3 times in a, at lines 1, 1, 2", "replace_all"),
        ("gone", "y", "old_string was not found in a", "read the file again"),
        ("X  =  “1”", "y", "old_string was not found in a", "white space"),
        ("'q' ", "y", "old_string was not found in a", "begin at line 3; copy them"),
        ("", "y", "old_string is empty", "write_file"),
        ("x", "x", "old_string and new_string are the same", "nothing"),
    ],
)
def test_what_cannot_be_done_changes_nothing_and_says_what_to_do(
    tmp_path: Path, old: str, new: str, message: str, hint: str
) -> None:
    text = 'x x\nx\n‘q’\nX = "1"\n'
    write(tmp_path, a=text)
    with pytest.raises(ToolError) as raised:
        edit(tmp_path, old, new)
    assert raised.value.message == message
    assert hint in raised.value.hint
    assert (tmp_path / "a").read_text() == text


def test_long_line_ends_are_kept(tmp_path: Path) -> None:
    write(tmp_path, a="one\r\ntwo\r\nthree\r\n")
    edit(tmp_path, "one\ntwo", "1\n2")
    assert (tmp_path / "a").read_bytes() == b"1\r\n2\r\nthree\r\n"


def test_an_occurrence_of_many_lines_is_counted_where_it_begins(tmp_path: Path) -> None:
    write(tmp_path, a="a\nb\nc\na\nb\n")
    with pytest.raises(ToolError, match="at lines 1, 4"):
        edit(tmp_path, "a\nb\n", "z")
