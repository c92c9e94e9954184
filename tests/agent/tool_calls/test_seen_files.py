from pathlib import Path

import pytest

from attractor.agent.errors import ToolError
from attractor.agent.tool_calls.seen_files import SeenFiles
from attractor.base.json import Json
from tests.agent.places import finish, local, write
from tests.tables import table

Call = tuple[str, dict[str, Json], str]


@table(
    "earlier",
    [
        ("read_file", {"file_path": "sub/a.py"}, "1 | x"),
        ("write_file", {"file_path": "./sub/a.py", "content": "x"}, "ok"),
        ("shell", {"command": "sed -n '1,5p' sub/a.py | head"}, "x"),
        ("grep", {"pattern": "x"}, "sub/a.py:1:x"),
        ("apply_patch", {"patch": "*** Begin Patch\n*** Update File: sub/a.py\n"}, "M sub/a.py"),
    ],
)
def test_files_that_a_call_showed_can_be_edited(tmp_path: Path, earlier: Call) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub", a__py="x")
    seen = SeenFiles()
    edit: dict[str, Json] = {"file_path": str(tmp_path / "sub" / "a.py")}
    with pytest.raises(ToolError, match="you have not read it"):
        finish(seen.require("edit_file", edit, local(tmp_path)))
    seen.learn(*earlier)
    finish(seen.require("edit_file", edit, local(tmp_path)))


def test_argument_of_another_tool_shows_no_file(tmp_path: Path) -> None:
    write(tmp_path, a="x")
    seen = SeenFiles()
    seen.learn("server__tool", {"file_path": "a"})
    with pytest.raises(ToolError):
        finish(seen.require("edit_file", {"file_path": "a"}, local(tmp_path)))


def test_new_files_and_other_tools_need_no_reading(tmp_path: Path) -> None:
    write(tmp_path, a="x")
    seen = SeenFiles()
    finish(seen.require("write_file", {"file_path": "new"}, local(tmp_path)))
    finish(seen.require("read_file", {"file_path": "a"}, local(tmp_path)))
    with pytest.raises(ToolError):
        finish(seen.require("write_file", {"file_path": "a"}, local(tmp_path)))
