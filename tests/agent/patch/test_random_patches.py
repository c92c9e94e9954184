"""Apply random edits as patches to real files, and compare the result with the edits."""

import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from attractor.agent.tools.apply_patch import part
from attractor.base.errors import AttractorError
from tests.agent.patch.writer import Edit, Style, Tree, lines_of, write_patch
from tests.agent.places import finish, local
from tests.counts import count

OLD: tuple[str, ...] = ("a.py", "b", "src/c.py", "src/deep/ü d.txt", ".e")
NEW = ("new.py", "src/new", "made/here/x", "y z")
LINES = st.lists(
    st.sampled_from(
        ["", "x", "  x", "\tx  ", "def f():", "@@ x", "*** End Patch", "+x", "-x", "é “q” – 1"]
    ),
    max_size=9,
)
ADDED = LINES.map(lambda lines: "".join(f"{line}\n" for line in lines))


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A text with LF or CRLF line ends, with or without one at its end."""
    text = draw(st.sampled_from(["\n", "\r\n"])).join([*draw(LINES), ""])
    is_cut = text.rstrip("\r\n") != "" and draw(st.booleans())
    return text.rstrip("\r\n") if is_cut else text


@st.composite
def edits(draw: st.DrawFn) -> tuple[Tree, Edit]:
    tree: Tree = draw(st.dictionaries(st.sampled_from(OLD), texts(), max_size=4))
    changed: dict[str, str | None] = {}
    for path, before in tree.items():
        if draw(st.booleans()):
            after = with_lines(before, draw(LINES) + draw(st.sampled_from([lines_of(before), []])))
            changed[path] = draw(st.sampled_from([after, None])) if after != before else None
    changed |= draw(st.dictionaries(st.sampled_from(NEW[:2]), ADDED, max_size=2))
    kept = [path for path in tree if changed.get(path, "") is not None]
    targets = dict(zip(kept, NEW[2:], strict=False))
    return tree, Edit(changed, targets if draw(st.booleans()) else {})


def with_lines(before: str, lines: list[str]) -> str:
    """Join lines with the line ends of another text."""
    newline = "\r\n" if "\r\n" in before else "\n"
    text = "".join(line + newline for line in lines)
    return text if before.endswith("\n") or not before else text.rstrip("\r\n")


@contextmanager
def written(tree: Tree) -> Generator[Path]:
    with tempfile.TemporaryDirectory() as name:
        for path, text in tree.items():
            (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path(name) / path).write_bytes(text.encode())
        yield Path(name)


def read(folder: Path) -> Tree:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes().decode() for file in files}


STYLES = st.builds(Style, st.integers(0, 3), st.booleans(), st.booleans())


@given(edits(), STYLES)
@settings(max_examples=count(ci=20, full=5000), deadline=None)
def test_a_patch_makes_the_edit(change: tuple[Tree, Edit], style: Style) -> None:
    tree, edit = change
    if not edit.texts and not edit.moves:
        return
    with written(tree) as folder:
        finish(part.execute({"patch": write_patch(tree, edit, style)}, local(folder)))
        assert read(folder) == edit.apply(tree)


FAULTS: Mapping[str, Callable[[list[str]], list[str]]] = {
    "no begin": lambda lines: lines[1:],
    "no end": lambda lines: lines[:-1],
    "cut": lambda lines: lines[: len(lines) // 2],
    "words": lambda lines: [*lines[:-1], "Here is the patch", lines[-1]],
    "missing": lambda lines: [*lines[:-1], "*** Update File: no such", "-x", lines[-1]],
    "removed twice": lambda lines: [*lines[:-1], "*** Delete File: no such", lines[-1]],
    "there": lambda lines: [*lines[:-1], "*** Add File: there", "+x", lines[-1]],
    "outside": lambda lines: [*lines[:-1], "*** Add File: ../x", "+x", lines[-1]],
    "no mark": lambda lines: [*lines[:-1], "*** Update File: there", "@@", "x", lines[-1]],
    "other lines": lambda lines: [*lines[:-1], "*** Update File: there", "-gone", lines[-1]],
    "no hint": lambda lines: [*lines[:-1], "*** Update File: there", "@@ gone", "+x", lines[-1]],
    "no hunk": lambda lines: [*lines[:-1], "*** Update File: there", lines[-1]],
    "moved over": lambda lines: [
        *lines[:-1],
        *("*** Add File: there too", "+x", "*** Update File: there too", "*** Move to: there"),
        lines[-1],
    ],
}


@pytest.mark.parametrize("fault", FAULTS)
@given(change=edits())
@settings(max_examples=count(ci=15, full=500), deadline=None)
def test_a_malformed_patch_is_refused_whole(fault: str, change: tuple[Tree, Edit]) -> None:
    tree, edit = {**change[0], "there": "text\n"}, change[1]
    patch = "\n".join(FAULTS[fault](write_patch(tree, edit, Style()).split("\n")))
    with written(tree) as folder:
        with pytest.raises(AttractorError) as refused:
            finish(part.execute({"patch": patch}, local(folder)))
        assert refused.value.hint
        assert read(folder) == tree
