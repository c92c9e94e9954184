import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import example, given, settings, strategies as st

from attractor.workspaces.git.gitignore import IgnoreRules, compile_wildmatch
from attractor.workspaces.git.objects import LooseObjects
from attractor.workspaces.snapshot import SnapshotRules, take_snapshot
from tests.counts import count
from tests.tables import table
from tests.workspaces.projects import git, write


@table(
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
def test_gitignore_patterns(text: bytes, ignored: list[bytes], kept: list[bytes]) -> None:
    rules = IgnoreRules({b"": text})
    found = [path for path in [*ignored, *kept] if rules.ignores(path, is_folder=False)]
    assert found == ignored


def test_trailing_slash_matches_only_folders() -> None:
    rules = IgnoreRules({b"": b"build/\n"})
    assert rules.ignores(b"x/build", is_folder=True)
    assert not rules.ignores(b"x/build", is_folder=False)
    assert rules.ignores_file(b"x/build/y/z")
    assert not rules.ignores_file(b"build")


def test_nearest_gitignore_decides() -> None:
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


@settings(deadline=None, max_examples=count(ci=12, full=500))
@given(paths=st.lists(_PATHS, max_size=8), ignore_files=_FILES)
def test_snapshot_ignores_as_git_does(paths: list[str], ignore_files: dict[str, str]) -> None:
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
            folder,
            LooseObjects(objects, "sha1"),
            SnapshotRules(IgnoreRules(texts)),
            cache={},
            now_ns=0,
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
def test_ignored_files_agrees_with_ignores_file(patterns: list[str], paths: set[str]) -> None:
    rules = IgnoreRules({b"": "\n".join(patterns).encode(), b"a/": b"!c\nb\n"}, ["/b/a/"])
    names = [path.encode() for path in paths]
    assert rules.ignored_files(names) == {name for name in names if rules.ignores_file(name)}


@table(
    ("pattern", "matching", "other"),
    [
        (b"a*c", [b"ac", b"abc"], [b"a/c", b"abcd"]),
        (b"a?c", [b"abc", b"a\xffc", b"a\nc"], [b"ac", b"a/c"]),
        (b"**/a", [b"a", b"x/a", b"x/y/a"], [b"xa", b"a/x"]),
        (b"a/**", [b"a/x", b"a/x/y"], [b"a", b"ax"]),
        (b"a/**/b", [b"a/b", b"a/x/b", b"a/x/y/b"], [b"ab", b"a/xb"]),
        (b"x/a**b", [b"x/ab", b"x/a.b"], [b"x/a"]),
        (b"[a-c]x", [b"ax", b"cx"], [b"dx", b"-x"]),
        (b"[!a-c]x", [b"dx"], [b"ax", b"/x"]),
        (b"[^a]x", [b"bx"], [b"ax"]),
        (b"[]a]x", [b"]x", b"ax"], [b"bx"]),
        (b"[a-]x", [b"-x", b"ax"], [b"bx"]),
        (b"[[:digit:]]", [b"7"], [b"a"]),
        (b"[[:none:]]", [], [b"n", b"a"]),
        (b"[[:digit", [], [b"1"]),
        (b"[[:x]", [b"x", b":", b"["], [b"a"]),
        (b"[\\]]", [b"]"], [b"\\"]),
        (b"\\*", [b"*"], [b"a", b"\\*"]),
        (b"a[", [], [b"a["]),
        (b"a\\", [], [b"a", b"a\\"]),
        (b"a.c", [b"a.c"], [b"abc"]),
    ],
)
def test_wildmatch_patterns(pattern: bytes, matching: list[bytes], other: list[bytes]) -> None:
    fits = compile_wildmatch(pattern)
    assert [path for path in [*matching, *other] if fits(path)] == matching


# With a leading slash Git matches whole paths; with a trailing one it matches only folders.
_PATTERNS = (
    st.lists(
        st.sampled_from(
            [b"a", b"b", b"/", b"*", b"**", b"**/", b"/**", b"?", b"[ab]", b"[!a]", b"[", b"]"]
            + [b"-", b"\\", b".", b"[[:alpha:]]", b"[a-", b"^", b"!", b"\xc3"]
        ),
        min_size=1,
        max_size=5,
    )
    .map(lambda pieces: b"".join(pieces).strip(b"/"))
    .filter(bool)
)
_WILDMATCH_NAMES = st.text("ab.]*\\-", min_size=1, max_size=3).filter(lambda name: name.strip("."))
_WILDMATCH_PATHS = st.lists(_WILDMATCH_NAMES, min_size=1, max_size=3).map(
    lambda names: "/".join(names).encode()
)


@settings(deadline=None, max_examples=count(ci=12, full=1000))
@given(
    patterns=st.lists(_PATTERNS, min_size=1, max_size=10),
    paths=st.lists(_WILDMATCH_PATHS, min_size=1, max_size=12, unique=True),
)
@example(patterns=[b"a**/b", b"*/**/b"], paths=[b"a/b", b"b", b"ab", b"ax/b", b"ax/y/b"])
def test_wildmatch_agrees_with_git(patterns: list[bytes], paths: list[bytes]) -> None:
    patterns = [*patterns, b"*"]  # git exits with 1 when nothing is ignored
    with tempfile.TemporaryDirectory() as folder:
        git(Path(folder), "init", "-q", "--template=")
        for number, pattern in enumerate(patterns):
            write(Path(folder), {f"{number}/.gitignore": b"/%s\n" % pattern})
        asked = [b"%d/%s" % (number, path) for number in range(len(patterns)) for path in paths]
        check = ("check-ignore", "--no-index", "-z", "-v", "-n", "--stdin")
        output = git(Path(folder), *check, stdin=b"".join(path + b"\0" for path in asked))
    fields = output.encode("utf-8", "surrogateescape").split(b"\0")[:-1]
    by_git = {path for line, path in zip(fields[1::4], fields[3::4], strict=True) if line}
    ours = {
        b"%d/%s" % (number, path)
        for number, pattern in enumerate(patterns)
        for path in paths
        if _matches_it_or_a_folder_above(compile_wildmatch(pattern), path)
    }
    assert by_git == ours


def _matches_it_or_a_folder_above(fits: Callable[[bytes], object], path: bytes) -> bool:
    ends = [*(match.start() for match in re.finditer(b"/", path)), len(path)]
    return any(fits(path[:end]) for end in ends)
