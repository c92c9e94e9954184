import pytest
from hypothesis import given, strategies as st

from attractor.agent.errors import InvalidPatch
from attractor.agent.patch.parse import (
    AddFile,
    DeleteFile,
    Hunk,
    HunkLine,
    LinePrefix,
    Operation,
    Patch,
    UpdateFile,
    parse_patch,
)
from tests.tables import table

EVERYTHING = """\
*** Begin Patch
*** Add File: new.py
+one
+
+ two
*** Delete File: old dir/old.py
*** Update File: a.py
*** Move to: b.py
@@ class A:
@@     def f(self):
 keep
-go
+come

*** End of File\x20
*** End Patch
"""


def test_every_operation_is_read() -> None:
    assert parse_patch(EVERYTHING) == Patch(
        (
            AddFile("new.py", ("one", "", " two")),
            DeleteFile("old dir/old.py"),
            UpdateFile(
                "a.py",
                (
                    Hunk(
                        ("class A:", "    def f(self):"),
                        (
                            HunkLine(LinePrefix.KEEP, "keep"),
                            HunkLine(LinePrefix.REMOVE, "go"),
                            HunkLine(LinePrefix.ADD, "come"),
                            HunkLine(LinePrefix.KEEP, ""),
                        ),
                        at_end_of_file=True,
                    ),
                ),
                move_to="b.py",
            ),
        )
    )


def test_the_first_hunk_may_do_without_its_mark() -> None:
    patch = parse_patch("*** Begin Patch\n*** Update File: a\n-x\n+y\n*** End Patch")
    (update,) = patch.operations
    assert isinstance(update, UpdateFile)
    assert update.hunks[0].hints == ()
    assert update.hunks[0].expected == ("x",)


def test_space_around_the_patch_and_long_line_ends_are_forgiven() -> None:
    text = "\n\n*** Begin Patch\r\n*** Add File: a\r\n+x\r\n*** End Patch\r\n\n"
    assert parse_patch(text) == Patch((AddFile("a", ("x",)),))


@table(
    ("before", "after"),
    [
        ("apply_patch <<'EOF'\n", "\nEOF\n"),
        ('<<"PATCH"\n', "\nPATCH"),
        ("<<EOF\n\n", "\nEOF"),
        ("```\n", "\n```"),
        ("```diff\napply_patch << EOF\n", "\nEOF\n```\n"),
    ],
)
def test_patch_in_a_heredoc_or_a_code_fence_is_accepted(before: str, after: str) -> None:
    patch = "*** Begin Patch\n*** Add File: a\n+x\n*** End Patch"
    assert parse_patch(before + patch + after) == parse_patch(patch)


def test_empty_line_after_a_new_file_is_ignored() -> None:
    text = "*** Begin Patch\n*** Add File: a\n+x\n\n+y\n\n*** Delete File: b\n*** End Patch"
    assert parse_patch(text) == Patch((AddFile("a", ("x", "", "y")), DeleteFile("b")))


def test_a_file_can_be_moved_without_a_change() -> None:
    text = "*** Begin Patch\n*** Update File: a\n*** Move to: b\n*** End Patch"
    assert parse_patch(text) == Patch((UpdateFile("a", (), "b"),))


@table(
    ("text", "message"),
    [
        ("", "line 1 of the patch: a patch must begin with '*** Begin Patch'"),
        ("*** Begin Patch\n*** Add File: a\n+x", "line 3 of the patch: a patch must end with"),
        ("*** Begin Patch", "line 1 of the patch: a patch must end with"),
        ("*** Begin Patch\n*** End Patch", "line 2 of the patch: the patch contains no operation"),
        (
            "*** Begin Patch\nhello\n*** End Patch",
            "line 2 of the patch: expected one of '*** Add File: ', '*** ",
        ),
        ("*** Begin Patch\n*** Add File: \n+x\n*** End Patch", "missing path"),
        ("*** Begin Patch\n*** Add File: a\nx\n*** End Patch", "line 3 of the patch: a line of a"),
        ("*** Begin Patch\n*** Update File: a\n*** End Patch", "the update of a contains no hunk"),
        ("*** Begin Patch\n*** Update File: a\n@@ f\n*** End Patch", "not the end of the patch"),
        ("*** Begin Patch\n*** Update File: a\n@@\n-x\n!y\n*** End Patch", "line 5 of the patch"),
        (
            "*** Begin Patch\n*** Update File: a\n@@\n*** Delete File: b\n*** End Patch",
            "not '*** D",
        ),
        (f"*** Begin Patch\n{'x' * 60}\n*** End Patch", f"not '{'x' * 60}'"),
        (f"*** Begin Patch\n{'x' * 61}\n*** End Patch", f"not '{'x' * 60}…'"),
        ("*** Begin Patch\n*** Update File: a\n*** Move to: b\n!y\n*** End Patch", "not '!y'"),
    ],
)
def test_syntax_error_has_its_line(text: str, message: str) -> None:
    with pytest.raises(InvalidPatch) as raised:
        parse_patch(text)
    assert message in raised.value.message
    assert "nothing was changed" in raised.value.hint


LINES = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=12)
PATHS = st.from_regex(r"[a-z]{1,6}(/[a-z]{1,6})?(\.py)?", fullmatch=True)
HUNKS = st.builds(
    Hunk,
    st.lists(LINES.filter(str.strip), max_size=2).map(tuple),
    st.lists(st.builds(HunkLine, st.sampled_from(LinePrefix), LINES), min_size=1, max_size=4).map(
        tuple
    ),
    st.booleans(),
)
OPERATIONS = st.one_of(
    st.builds(AddFile, PATHS, st.lists(LINES, max_size=3).map(tuple)),
    st.builds(DeleteFile, PATHS),
    st.builds(UpdateFile, PATHS, st.lists(HUNKS, min_size=1, max_size=2).map(tuple), PATHS),
)


def written(operation: Operation) -> str:
    match operation:
        case AddFile(path, lines):
            return "".join([f"*** Add File: {path}\n", *(f"+{line}\n" for line in lines)])
        case DeleteFile(path):
            return f"*** Delete File: {path}\n"
        case UpdateFile(path, hunks, target):
            head = f"*** Update File: {path}\n" + (f"*** Move to: {target}\n" if target else "")
            return head + "".join(written_hunk(hunk) for hunk in hunks)


def written_hunk(hunk: Hunk) -> str:
    lines = [f"{line.mark}{line.text}\n" for line in hunk.lines]
    hints = [f"@@ {hint}\n" for hint in hunk.hints] or ["@@\n"]
    return "".join([*hints, *lines, "*** End of File\n" if hunk.at_end_of_file else ""])


@given(st.lists(OPERATIONS, min_size=1, max_size=4).map(tuple))
def test_written_patch_is_parsed_back(operations: tuple[Operation, ...]) -> None:
    text = "*** Begin Patch\n" + "".join(map(written, operations)) + "*** End Patch\n"
    assert parse_patch(text) == Patch(operations)
