import difflib
import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.agent.errors import PatchMismatch
from attractor.agent.patch.apply import apply_hunks, apply_patch
from attractor.agent.patch.parse import Hunk, HunkLine, LinePrefix, UpdateFile, parse_patch
from attractor.base.errors import FileError
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.local import LocalExecutionEnvironment
from tests.agent.places import finish, local, write
from tests.tables import table


def patch(*lines: str) -> str:
    return "\n".join(["*** Begin Patch", *lines, "*** End Patch"])


def applied(file: str, hunk: str) -> str:
    (operation,) = parse_patch(patch("*** Update File: f", "@@", hunk)).operations
    assert isinstance(operation, UpdateFile)
    return apply_hunks(file, operation.hunks, path="f")


def apply(text: str, environment: ExecutionEnvironment) -> list[str]:
    return list(finish(apply_patch(parse_patch(text), environment)))


def test_all_operations_happen_together(tmp_path: Path) -> None:
    write(tmp_path, a="one\ntwo\n", b="go\n", c="import os\n")
    done = apply(
        patch(
            "*** Add File: sub/new",
            "+hello",
            "*** Update File: a",
            "@@",
            " one",
            "-two",
            "+zwei",
            "*** Delete File: b",
            "*** Update File: c",
            "*** Move to: d",
            "@@ import os",
            "+import sys",
        ),
        local(tmp_path),
    )
    assert done == ["A sub/new", "M a", "D b", "R c -> d"]
    found = {one.relative_to(tmp_path).as_posix() for one in tmp_path.rglob("*") if one.is_file()}
    assert found == {"sub/new", "a", "d"}
    assert (tmp_path / "sub/new").read_text() == "hello\n"
    assert (tmp_path / "a").read_text() == "one\nzwei\n"
    assert (tmp_path / "d").read_text() == "import os\nimport sys\n"


def test_operations_build_on_each_other(tmp_path: Path) -> None:
    write(tmp_path, a="1\n", b="2\n")
    apply(
        patch(
            "*** Update File: a",
            "-1",
            "+one",
            f"*** Update File: {tmp_path}/a",
            "-one",
            "+eins",
            "*** Delete File: b",
            "*** Add File: ./b",
            "+new",
        ),
        local(tmp_path),
    )
    assert (tmp_path / "a").read_text() == "eins\n"
    assert (tmp_path / "b").read_text() == "new\n"


@table(
    ("lines", "message"),
    [
        (
            ["*** Update File: a", "-nothing"],
            "a, hunk 1: these lines were not found from line 1 on:\nnothing",
        ),
        (
            ["*** Update File: a", "-2", "-3", "*** End of File"],
            "a, hunk 1: these lines were not found at the end of the file:\n2\n3",
        ),
        (["*** Update File: a", "@@ nowhere", "-1"], "a, hunk 1: line 'nowhere' not found"),
        (["*** Update File: gone", "-1"], "gone: no such file"),
        (["*** Delete File: gone"], "gone: no such file"),
        (["*** Add File: a", "+1"], "a: the file already exists"),
        (["*** Update File: a", "*** Move to: b", "-1"], "b: the file already exists"),
    ],
)
def test_mismatch_leaves_all_files_unchanged(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    write(tmp_path, a="1\n", b="2\n")
    with pytest.raises(PatchMismatch) as raised:
        apply(patch("*** Add File: new", "+x", *lines), local(tmp_path))
    assert message in raised.value.message
    assert "nothing was changed" in raised.value.hint
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"a": "1\n", "b": "2\n"}


class FullDisk(LocalExecutionEnvironment):
    """Fails to write one file (`refuses`), and with `fails_for_good` each later file too."""

    refuses = "b"
    fails_for_good = False
    failed = False

    async def write_file(
        self, path: str, content: str | bytes, *, permissions_of: str = ""
    ) -> None:
        if path == self.refuses or (self.failed and self.fails_for_good):
            self.failed = True
            raise FileError(f"cannot write {path}") from OSError(errno.ENOSPC, "full")
        await super().write_file(path, content, permissions_of=permissions_of)


TWO_FILES = patch(
    "*** Add File: new", "+x", "*** Update File: a", "-1", "+one", "*** Update File: b", "-2", "+2b"
)


def test_failed_write_undoes_the_earlier_writes(tmp_path: Path) -> None:
    write(tmp_path, a="1\n", b="2\n")
    with pytest.raises(FileError):
        apply(TWO_FILES, FullDisk(tmp_path, environ={}))
    assert {one.name: one.read_text() for one in tmp_path.iterdir()} == {"a": "1\n", "b": "2\n"}


DATA = b"\x89PNG\0\xff"


def test_moved_file_keeps_its_data_and_its_permissions(tmp_path: Path) -> None:
    write(tmp_path, run="echo 1\n", gone="")
    (tmp_path / "run").chmod(0o755)
    for name in ("image", "gone"):
        (tmp_path / name).write_bytes(DATA)
    apply(
        patch(
            *("*** Update File: run", "*** Move to: bin/run", "-echo 1", "+echo 2"),
            *("*** Update File: bin/run", "*** Move to: bin/again"),
            *("*** Update File: image", "*** Move to: images/one"),
            "*** Delete File: gone",
        ),
        local(tmp_path),
    )
    found = [one for one in sorted(tmp_path.rglob("*")) if one.is_file()]
    assert [one.read_bytes() for one in found] == [b"echo 2\n", DATA]
    assert os.access(tmp_path / "bin/again", os.X_OK)
    assert not os.access(tmp_path / "images/one", os.X_OK)


def test_binary_file_is_not_changed_and_is_restored(tmp_path: Path) -> None:
    write(tmp_path, b="2\n")
    (tmp_path / "a").write_bytes(DATA)
    with pytest.raises(PatchMismatch, match="a: the file is not text"):
        apply(patch("*** Update File: a", "-1", "+2"), local(tmp_path))
    moved = patch("*** Update File: a", "*** Move to: c", "*** Update File: b", "-2", "+2b")
    with pytest.raises(FileError):
        apply(moved, FullDisk(tmp_path, environ={}))
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"a": DATA, "b": b"2\n"}


def test_failed_undo_is_reported(tmp_path: Path) -> None:
    write(tmp_path, a="1\n", b="2\n")
    disk = FullDisk(tmp_path, environ={})
    disk.fails_for_good = True
    with pytest.raises(FileError, match="and these files could not be restored: a$"):
        apply(TWO_FILES, disk)
    assert not (tmp_path / "new").exists()


def test_a_path_outside_is_refused_by_the_environment(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(Exception, match="outside|leads out"):
        apply(patch("*** Add File: ../out", "+x"), local(inside))
    assert not (tmp_path / "out").exists()


def changed(before: str, *lines: str) -> str:
    text = "\n".join(["*** Begin Patch", "*** Update File: f", *lines, "*** End Patch"])
    (update,) = parse_patch(text).operations
    assert isinstance(update, UpdateFile)
    return apply_hunks(before, update.hunks, path="f")


def test_the_update_of_the_specification_applies() -> None:
    after = changed(
        'def main():\n    print("Hello")\n    return 0\n',
        "@@ def main():",
        '     print("Hello")',
        "-    return 0",
        '+    print("World")',
        "+    return 1",
    )
    assert after == 'def main():\n    print("Hello")\n    print("World")\n    return 1\n'


def test_the_hunks_of_the_specification_apply_though_a_hint_is_the_line_that_goes() -> None:
    function = 'def load_config():\n    config = {}\n    config["debug"] = '
    after = changed(
        f"DEFAULT_TIMEOUT = 30\n\n{function}False\n",
        "@@ DEFAULT_TIMEOUT = 30",
        "-DEFAULT_TIMEOUT = 30",
        "+DEFAULT_TIMEOUT = 60",
        "@@ def load_config():",
        "     config = {}",
        '-    config["debug"] = False',
        '+    config["debug"] = True',
    )
    assert after == f"DEFAULT_TIMEOUT = 60\n\n{function}True\n"


def test_hints_select_one_of_several_matches() -> None:
    before = "class A:\n  def f():\n    x\nclass B:\n  def f():\n    x\n"
    after = changed(before, "@@ class B:", "@@   def f():", "-    x", "+    y")
    assert after == "class A:\n  def f():\n    x\nclass B:\n  def f():\n    y\n"


def test_new_lines_alone_go_below_the_hint_or_to_the_end() -> None:
    assert changed("a\nb\n", "@@ a", "+x") == "a\nx\nb\n"
    assert changed("a\nb\n", "@@", "+x") == "a\nb\nx\n"
    assert changed("", "@@", "+x") == "x\n"


def test_the_end_of_the_file_is_the_end() -> None:
    assert changed("x\ny\nx\n", "@@", "-x", "+z", "*** End of File") == "x\ny\nz\n"
    with pytest.raises(PatchMismatch, match="at the end of the file"):
        changed("x\ny\n", "@@", "-x", "*** End of File")


def test_an_empty_line_between_hunks_is_forgiven() -> None:
    assert changed("a\nb\nc\n", "@@", "-a", "+A", "", "@@", "-c", "+C") == "A\nb\nC\n"


def test_the_files_own_lines_stay_where_only_space_differs() -> None:
    after = changed("\tif x:  \n\t\told\n", "@@", " if x:", "-old", "+\t\tnew")
    assert after == "\tif x:  \n\t\tnew\n"


@table(
    ("before", "after"),
    [
        ("a\r\nb\r\nc\r\n", "a\r\nx\r\nc\r\n"),
        ("a\nb\nc", "a\nx\nc"),
        ("a\nb", "a\nx"),
        ("a\r\nb", "a\r\nx"),
        ("a\r\nb\nc\r\n", "a\r\nx\r\nc\r\n"),
        ("a\nb\r\nc\n", "a\nx\nc\n"),
        ("a\nb\r\n", "a\nx\n"),
        ("a\fa\u2028\nb\n", "a\fa\u2028\nx\n"),
    ],
)
def test_line_ends_are_kept(before: str, after: str) -> None:
    assert changed(before, "@@", "-b", "+x") == after


def test_line_after_an_unended_last_line_is_a_line_of_its_own() -> None:
    assert changed("a\nb", "@@", " b", "+c") == "a\nb\nc"


def test_hunks_must_follow_the_file() -> None:
    with pytest.raises(PatchMismatch, match="hunk 2: these lines were not found from line 2 on"):
        changed("a\nb\nc\n", "@@", "-b", "@@", "-a")


TEXTS = st.lists(st.sampled_from(["a", "b", "  a", "", "c d"]), max_size=12)


@given(before=TEXTS, after=TEXTS)
def test_a_change_between_two_texts_arrives(before: list[str], after: list[str]) -> None:
    lines = [
        HunkLine(LinePrefix(line[0]), line[2:])
        for line in difflib.ndiff(before, after)
        if line[0] in " +-"
    ]
    hunks = [Hunk((), tuple(lines))] if lines else []
    text = "".join(f"{line}\n" for line in before)
    assert apply_hunks(text, hunks, path="f") == "".join(f"{line}\n" for line in after)


@table(
    ("file", "hunk", "result"),
    [
        (
            "def f():\n    a = 1\n    b = 2\n",
            "-a = 1\n+a = 3\n b = 2",
            "def f():\n    a = 3\n    b = 2\n",
        ),
        ("if a:\n\tb\n", "     b\n+    c", "if a:\n\tb\n\tc\n"),
        ("if a:\n\tb\n", "     b\n+    c\n+\n+    d", "if a:\n\tb\n\tc\n\n\td\n"),
        # The added line already has the indentation of the file.
        ("  a\n    b\n", " a\n b\n+  c", "  a\n    b\n  c\n"),
        ("  a\n", " a \n+c", "  a\n  c\n"),
    ],
)
def test_added_lines_are_indented_as_the_lines_that_match(
    file: str, hunk: str, result: str
) -> None:
    assert applied(file, hunk) == result


def test_lines_with_different_indentations_are_refused() -> None:
    with pytest.raises(PatchMismatch, match="f, hunk 1: .* indentation differs in more than"):
        applied("  a\n    b\n", " a\n b\n+c")
