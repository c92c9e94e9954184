import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.workspaces.ignores import IgnoreRules
from attractor.workspaces.objects import Objects
from attractor.workspaces.snapshot import Rules, take_snapshot
from tests.counts import count
from tests.workspaces.projects import git, write


@pytest.mark.parametrize(
    ("text", "ignored", "kept"),
    [
        (b"a.log\n", [b"a.log", b"x/a.log"], [b"b.log"]),
        (b"/a.log\n", [b"a.log"], [b"x/a.log"]),
        (b"x/a\n", [b"x/a"], [b"y/x/a"]),
        (b"*.log\n!keep.log\n", [b"a.log"], [b"keep.log"]),
        (b"!keep.log\n*.log\n", [b"keep.log"], []),
        (b"# words\n\\#a\n", [b"#a"], [b"# words"]),
        (b"a  \nb\\ \n", [b"a", b"b "], [b"a  ", b"b"]),
        (b"a\r\nb", [b"a", b"b"], [b"a\r"]),
        (b"\xef\xbb\xbfa\n", [b"a"], []),
        (b"\xff\n", [b"\xff"], [b"\xfe"]),
        (b"/\n!\n\n", [], [b"a", b"!"]),
    ],
)
def test_a_file_says_what_is_ignored(text: bytes, ignored: list[bytes], kept: list[bytes]) -> None:
    rules = IgnoreRules({b"": text})
    found = [path for path in [*ignored, *kept] if rules.ignores(path, is_folder=False)]
    assert found == ignored


def test_a_slash_at_the_end_means_folders() -> None:
    rules = IgnoreRules({b"": b"build/\n"})
    assert rules.ignores(b"x/build", is_folder=True)
    assert not rules.ignores(b"x/build", is_folder=False)
    assert rules.hides(b"x/build/y/z")
    assert not rules.hides(b"build")


def test_the_nearest_file_decides_and_more_patterns_come_last() -> None:
    rules = IgnoreRules({b"": b"*.log\n*.tmp\n", b"keep/": b"!*.log\n"}, ["!a.tmp"])
    assert rules.ignores(b"a.log", is_folder=False)
    assert not rules.ignores(b"keep/a.log", is_folder=False)
    assert rules.ignores(b"keep/b.tmp", is_folder=False)
    assert not rules.ignores(b"keep/a.tmp", is_folder=False)


_NAMES = st.sampled_from(["a", "b", "a.log", "build", "#x", "x y", "ä"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)
_LINES = st.lists(
    st.sampled_from(["a", "b", ".log", "build", "*", "**", "/", "?", "[ab]", "!", "\\", "#x", " "]),
    max_size=4,
).map("".join)
_FILES = st.dictionaries(
    st.sampled_from(["", "a/", "b/", "a/b/", "build/"]),
    st.lists(_LINES, max_size=4).map("\n".join),
    max_size=3,
)


@settings(deadline=None, max_examples=count(ci=25, full=500))
@given(paths=st.lists(_PATHS, max_size=8), ignore_files=_FILES)
def test_a_walk_ignores_what_git_ignores(paths: list[str], ignore_files: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as below:
        folder, objects = Path(below) / "work", Path(below) / "objects"
        folder.mkdir()
        objects.mkdir()
        for path in paths:
            if not (folder / path).exists() and not _stands_below_a_file(folder, path):
                write(folder, {path: "content"})
        texts: dict[bytes, bytes] = {}
        for at, text in ignore_files.items():
            if (folder / at).is_dir():
                write(folder, {f"{at}.gitignore": text})
                texts[at.encode()] = text.encode()
        git(folder, "init", "-q", "--template=")
        git(folder, "add", "-A")
        taken = take_snapshot(
            folder, Objects(objects, "sha1"), Rules(IgnoreRules(texts)), cache={}, now_ns=0
        )
        assert taken.tree == git(folder, "write-tree")


def _stands_below_a_file(folder: Path, path: str) -> bool:
    return any((folder / above).is_file() for above in Path(path).parents)


@given(
    patterns=st.lists(st.sampled_from(["a", "/a/", "b/", "!b", "*c", "a/b", "**/c/", "/a/**"])),
    paths=st.sets(
        st.lists(st.sampled_from(["a", "b", "c", "abc"]), min_size=1, max_size=4).map("/".join)
    ),
)
def test_of_many_files_those_are_hidden_that_are_hidden_one_by_one(
    patterns: list[str], paths: set[str]
) -> None:
    rules = IgnoreRules({b"": "\n".join(patterns).encode(), b"a/": b"!c\nb\n"}, ["/b/a/"])
    names = [path.encode() for path in paths]
    assert rules.hidden(names) == {name for name in names if rules.hides(name)}
