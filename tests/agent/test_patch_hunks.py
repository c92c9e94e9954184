import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.agent.errors import PatchMismatch
from attractor.agent.patch_hunks import apply_hunks
from attractor.agent.patch_parsing import parse_patch
from attractor.agent.patches import Hunk, HunkLine, Mark, UpdateFile


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


def test_hints_narrow_the_place_down() -> None:
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


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\r\nb\r\nc\r\n", "a\r\nx\r\nc\r\n"),
        ("a\nb\nc", "a\nx\nc"),
        ("a\nb", "a\nx"),
        ("a\r\nb", "a\r\nx"),
        ("a\fa\u2028\nb\n", "a\fa\u2028\nx\n"),
    ],
)
def test_line_ends_are_kept(before: str, after: str) -> None:
    assert changed(before, "@@", "-b", "+x") == after


def test_hunks_must_follow_the_file() -> None:
    with pytest.raises(PatchMismatch, match="hunk 2: these lines are not there from line 2 on"):
        changed("a\nb\nc\n", "@@", "-b", "@@", "-a")


TEXTS = st.lists(st.sampled_from(["a", "b", "  a", "", "c d"]), max_size=12)


@given(before=TEXTS, after=TEXTS)
def test_a_change_between_two_texts_arrives(before: list[str], after: list[str]) -> None:
    lines = [
        HunkLine(Mark(line[0]), line[2:])
        for line in difflib.ndiff(before, after)
        if line[0] in " +-"
    ]
    hunks = [Hunk((), tuple(lines))] if lines else []
    text = "".join(f"{line}\n" for line in before)
    assert apply_hunks(text, hunks, path="f") == "".join(f"{line}\n" for line in after)
