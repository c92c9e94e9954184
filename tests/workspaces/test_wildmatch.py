import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from attractor.workspaces.wildmatch import compile_wildmatch
from tests.counts import count
from tests.workspaces.projects import git, write


@pytest.mark.parametrize(
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
        (b"[\\]]", [b"]"], [b"\\"]),
        (b"\\*", [b"*"], [b"a", b"\\*"]),
        (b"a[", [], [b"a["]),
        (b"a\\", [], [b"a", b"a\\"]),
        (b"a.c", [b"a.c"], [b"abc"]),
    ],
)
def test_a_pattern_matches_as_the_manual_says(
    pattern: bytes, matching: list[bytes], other: list[bytes]
) -> None:
    compiled = compile_wildmatch(pattern)
    assert [path for path in [*matching, *other] if compiled.fullmatch(path)] == matching


# A slash in front makes git match whole paths; one at the end would mean folders.
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
_NAMES = st.text("ab.]*\\-", min_size=1, max_size=3).filter(lambda name: name.strip("."))
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map(lambda names: "/".join(names).encode())


@settings(deadline=None, max_examples=count(ci=30, full=1000))
@given(
    patterns=st.lists(_PATTERNS, min_size=1, max_size=10),
    paths=st.lists(_PATHS, min_size=1, max_size=12, unique=True),
)
@example(patterns=[b"a**/b", b"*/**/b"], paths=[b"a/b", b"b", b"ab", b"ax/b", b"ax/y/b"])
def test_git_lists_what_the_patterns_match(patterns: list[bytes], paths: list[bytes]) -> None:
    patterns = [*patterns, b"*"]  # git calls it a failure when nothing is ignored
    with tempfile.TemporaryDirectory() as folder:
        git(Path(folder), "init", "-q", "--template=")
        for number, pattern in enumerate(patterns):
            write(Path(folder), {f"{number}/.gitignore": b"/%s\n" % pattern})
        asked = [b"%d/%s" % (number, path) for number in range(len(patterns)) for path in paths]
        check = ("check-ignore", "--no-index", "-z", "-v", "-n", "--stdin")
        told = git(Path(folder), *check, stdin=b"".join(path + b"\0" for path in asked))
    fields = told.encode("utf-8", "surrogateescape").split(b"\0")[:-1]
    by_git = {path for line, path in zip(fields[1::4], fields[3::4], strict=True) if line}
    ours = {
        b"%d/%s" % (number, path)
        for number, pattern in enumerate(patterns)
        for path in paths
        if _matches_it_or_a_folder_above(compile_wildmatch(pattern), path)
    }
    assert by_git == ours


def _matches_it_or_a_folder_above(compiled: re.Pattern[bytes], path: bytes) -> bool:
    ends = [*(match.start() for match in re.finditer(b"/", path)), len(path)]
    return any(compiled.fullmatch(path[:end]) for end in ends)
