import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from attractor.agent.errors import ToolError
from attractor.agent.tools.edit_file import part
from attractor.base.json import Json
from tests.agent.places import finish, local, write
from tests.counts import count
from tests.tables import table


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


@table(
    ("old", "new", "message", "hint"),
    [
        ("x", "y", "old_string occurs 4 times in a, at lines 1, 1, 2, 5", "replace_all"),
        ("gone", "y", "old_string was not found in a", "read the file again"),
        (" \n ", "y", "old_string was not found in a", "copy the text exactly"),
        (
            "\tx",
            "y",
            "old_string was not found in a; similar lines begin at lines 2, 5",
            "until it is unique",
        ),
        (
            "x\n  y\n\tz",
            "y",
            "old_string was not found in a; the lines 5 to 7 match, but their indentation differs "
            "from old_string in more than one way",
            "with their indentation",
        ),
        ("", "y", "old_string is empty", "write_file"),
        ("x", "x", "old_string and new_string are the same", "nothing"),
    ],
)
def test_failed_edit_changes_nothing_and_names_a_remedy(
    tmp_path: Path, old: str, new: str, message: str, hint: str
) -> None:
    text = "x x\n  x\n‘q’\n\n  x\n\ty\n\tz\n"
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


def test_occurrence_of_several_lines_counts_at_its_first_line(tmp_path: Path) -> None:
    write(tmp_path, a="a\nb\nc\na\nb\n")
    with pytest.raises(ToolError, match="at lines 1, 4"):
        edit(tmp_path, "a\nb\n", "z")


SIMILAR = "differs from the file in"
INDENTED = f"{SIMILAR} indentation. The indentation of new_string was adjusted."


@table(
    ("before", "old", "new", "after", "message"),
    [
        ("a  \nb\n", "a\nb", "a\nc", "a  \nc\n", f"{SIMILAR} white space at the end of lines."),
        ("\tif x:\n\t\ty\n", "if x:\n\ty", "if z:\n\n\ty", "\tif z:\n\n\t\ty\n", INDENTED),
        ("if x:\n  y\n", "    if x:\n      y\n", "    if z:\n", "if z:\n", INDENTED),
        ("a\n “x” – y\n", ' "x" - y', " z", "a\n z\n", f"{SIMILAR} white space, quotes or dashes."),
        ("a\nb", "b\n", "c\n", "a\nc", f"{SIMILAR} line ends."),
        ("a\n b\nc\n", "  b\n", "", "a\nc\n", f"{SIMILAR} indentation."),
        ("a\r\n  b\r\n", "\tb\n", "\tc\n\td\n", "a\r\n  c\r\n  d\r\n", INDENTED),
    ],
)
def test_similar_lines_are_replaced_with_a_note(
    tmp_path: Path, before: str, old: str, new: str, after: str, message: str
) -> None:
    write(tmp_path, a=before)
    shown = edit(tmp_path, old, new)
    assert shown.startswith("Made 1 replacement in a, at line ")
    assert shown.endswith(message)
    assert (tmp_path / "a").read_bytes().decode() == after


LINES = st.lists(st.sampled_from(["x", "y(1)", "  x", "", "    “z”", "\tw"]), max_size=8)


@given(st.data(), LINES, LINES, st.booleans())
@settings(max_examples=count(ci=20, full=5000), deadline=None)
def test_edit_replaces_only_the_given_text(
    data: st.DataObject, before: list[str], new_lines: list[str], everywhere: bool
) -> None:
    text, new = "\n".join(before), "\n".join(new_lines)
    start = data.draw(st.integers(0, len(text)))
    old = text[start : data.draw(st.integers(start, len(text)))]
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), a=text)
        if not old or old == new or (text.count(old) > 1 and not everywhere):
            with pytest.raises(ToolError) as refused:
                edit(Path(name), old, new, replace_all=everywhere)
            assert refused.value.hint
            new = old
        else:
            edit(Path(name), old, new, replace_all=everywhere)
        assert (Path(name) / "a").read_bytes().decode() == (text.replace(old, new) if old else text)


INDENTATIONS = st.sampled_from(["", " ", "  ", "\t"])


@given(LINES, st.lists(st.sampled_from(["  a", "b", ""])), LINES, *[INDENTATIONS] * 2)
@settings(max_examples=count(ci=20, full=5000), deadline=None)
def test_lines_with_other_indentation_are_replaced_in_the_files_own(
    above: list[str], wanted: list[str], below: list[str], of_file: str, of_call: str
) -> None:
    wanted, new = ["begin", *wanted, "end"], ["begin", "changed", "  deeper"]
    around = [*above, *_indented(wanted, of_file), *below]
    with tempfile.TemporaryDirectory() as name:
        write(Path(name), a="\n".join(around))
        old = "\n".join(_indented(wanted, of_call))
        edit(Path(name), old, "\n".join(_indented(new, of_call)))
        after = (Path(name) / "a").read_text()
    assert after == "\n".join([*above, *_indented(new, of_file), *below])


def _indented(lines: list[str], indentation: str) -> list[str]:
    return [indentation + line if line else line for line in lines]


def test_edit_among_many_equal_lines_is_quick_and_names_few_of_them(tmp_path: Path) -> None:
    write(tmp_path, a="  x\n" * 50_000)
    for old in ("x\n", "\tx\n"):
        with pytest.raises(ToolError, match=r"at lines? 1, 2, .* 20 \.\.\.$"):
            edit(tmp_path, old, "y")
    assert "Made 1 replacement" in edit(tmp_path, "x\n" * 50_000, "y\n" * 50_000)
