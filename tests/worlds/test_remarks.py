"""Remarks: found again after edits, marked as stale, sent once, and never about hidden files."""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import AttractorError, Refused, UnknownName, UsageError
from attractor.base.locks import FileLock
from attractor.factory.dimensions import DimensionRecords
from attractor.factory.open_project import OpenProject
from attractor.worlds.actors import Actor, create_actor
from attractor.worlds.inbox import Inbox
from attractor.worlds.messages import Sender, SenderKind
from attractor.worlds.orders import actor_in, dimension_of, here
from attractor.worlds.remarks import Remark, Remarks, as_message, place
from tests.pipeline.projects import make_project, open_project
from tests.tables import table
from tests.worlds.test_dimensions import add, opened_in, remove

ANN = Sender(SenderKind.PERSON, "ann")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LINES = st.lists(st.sampled_from(["", "}", "a = 1", "b = 2", "c = 3"]), max_size=8)


def remark_on(lines: Sequence[str], line: int, words: str = "why?") -> Remark:
    return Remark("01", "a.py", line, lines[line - 1], words, ANN, NOON)


@given(LINES.filter(bool), LINES, st.data())
def test_line_is_found_again_or_stale(
    before: list[str], after: list[str], data: st.DataObject
) -> None:
    one = remark_on(before, data.draw(st.integers(1, len(before))))
    now = place(one, after)
    is_same = after[one.line - 1 : one.line] == [one.quoted]
    is_moved = bool(one.quoted) and after.count(one.quoted) == 1
    assert now.is_stale == (not is_same and not is_moved)
    assert now.is_stale or after[now.line - 1] == one.quoted
    assert not (is_same or now.is_stale) or now.line == one.line
    assert replace(now, line=one.line, is_stale=False) == one


def test_message_names_place_line_and_stale_remarks() -> None:
    lines = ["a = 1", "b = 2"]
    first, second = remark_on(lines, 1), remark_on(lines, 2, "use\na constant")
    assert as_message([first, replace(second, is_stale=True)]) == (
        "2 remarks on your changes:\n\n"
        "a.py:1\n> a = 1\n\nwhy?\n\n"
        "a.py:2 (stale: this line has changed since)\n> b = 2\n\nuse\na constant"
    )


def test_remarks_are_sent_once_as_one_message(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    made = add(opened)
    remarks, file = Remarks(opened, made), Path(made.folder) / "a.py"
    file.write_text("a = 1\r\nb = 2\nc\x0b\xff = 3")
    for line, words in ((3, "third"), (2, "second"), (1, "first"), (1, "again")):
        remarks.add("a.py", line, f" {words}\n", ANN)
    file.write_text("# new\nb = 2\na = 1\n")
    shown = [(one.text, one.line, one.is_stale) for one in remarks.read()]
    assert shown == [
        ("second", 2, False),
        ("third", 3, True),
        ("first", 3, False),
        ("again", 3, False),
    ]
    gone = remarks.remove(remarks.read()[1].id)
    with pytest.raises(UnknownName, match="unknown remark"):
        remarks.remove(gone.id)
    with pytest.raises(Refused, match="no actor works in the dimension try"):
        actor_in(made, opened)
    plain = Actor(
        name="one", spawner=ANN, created=opened.now(), backend="simulate", dimension="try"
    )
    state = opened.project.machine.state_dir
    actor = create_actor(plain, here(opened), state)
    assert (actor_in(made, opened), dimension_of(actor, opened)) == (actor, made)
    left = remarks.read()
    # With its lock held, no process begins.
    with FileLock(actor.lock):
        message = remarks.send(actor, ANN)
        assert Inbox(actor.inbox).waiting() == [message]
    assert message.text == as_message(left)
    assert [one.text for one in left] == ["second", "first", "again"]
    assert remarks.read() == []
    with pytest.raises(Refused, match="no remarks to send"):
        remarks.send(actor, ANN)
    create_actor(replace(plain, name="two"), here(opened), state)
    with pytest.raises(UsageError, match="several actors work in try: one, two"):
        actor_in(made, opened)
    nowhere = create_actor(replace(plain, name="three", dimension=""), here(opened), state)
    with pytest.raises(Refused, match="works in no dimension"):
        dimension_of(nowhere, opened)


def test_secrets_are_not_quoted(tmp_path: Path) -> None:
    opened = OpenProject(open_project(make_project(tmp_path / "project"), API_KEY="s3cr3t-words"))
    made = add(opened)
    (Path(made.folder) / "a.py").write_text("key = 's3cr3t-words'\n")
    remarks = Remarks(opened, made)
    remarks.add("a.py", 1, "read the variable", ANN)
    [one] = remarks.read()
    assert ("s3cr3t" in one.quoted, one.is_stale) == (False, False)


def test_removed_file_makes_remarks_stale_and_removed_dimension_takes_them_along(
    tmp_path: Path,
) -> None:
    opened = opened_in(tmp_path)
    made = add(opened)
    remarks = Remarks(opened, made)
    remarks.add(f"{made.folder}/readme.txt", 1, "why?", ANN)
    (Path(made.folder) / "readme.txt").unlink()
    [left] = remarks.read()
    assert (left.file, left.is_stale) == ("readme.txt", True)
    Path(made.folder).rename(away := tmp_path / "away")
    assert [one.is_stale for one in remarks.read()] == [True]
    away.rename(made.folder)
    remove(opened, made, force=True)
    assert list(DimensionRecords.of(opened).folder.glob("try*")) == []


@table(
    ("file", "line", "words"),
    [
        ("readme.txt", 0, "has no line 0"),
        ("readme.txt", 99, "has no line 99"),
        ("empty.txt", 1, "has no line 1"),
        ("missing.txt", 1, "missing.txt"),
        ("../outside.txt", 1, "leads outside"),
        ("/etc/passwd", 1, "outside"),
        ("out.txt", 1, "leads outside"),
        ("away/outside.txt", 1, "leads outside"),
        ("binary", 1, "binary is a binary file"),
        ("pipe", 1, "pipe"),
        (".", 1, "."),
        ("scenarios/one.toml", 1, "is hidden"),
        ("alias/one.toml", 1, "is hidden"),
        ("shown.toml", 1, "is hidden"),
        (".git", 1, "is hidden"),
    ],
)
def test_other_places_are_refused(tmp_path: Path, file: str, line: int, words: str) -> None:
    opened = opened_in(tmp_path)
    made = add(opened)
    folder = Path(made.folder)
    (tmp_path / "project.worktrees" / "outside.txt").write_text("secret\n")
    (folder / "empty.txt").touch()
    (folder / "binary").write_bytes(b"\0\n")
    os.mkfifo(folder / "pipe")
    (folder / "out.txt").symlink_to("../outside.txt")
    (folder / "away").symlink_to("..")
    (folder / "scenarios").mkdir()
    (folder / "scenarios" / "one.toml").write_text("hidden\n")
    (folder / "alias").symlink_to("scenarios")
    (folder / "shown.toml").symlink_to(folder / "scenarios" / "one.toml")
    with pytest.raises(AttractorError) as refused:
        Remarks(opened, made).add(file, line, "why?", ANN)
    assert words in refused.value.message
    assert refused.value.hint
    assert Remarks(opened, made).read() == []
