"""Search results are the same with and without ripgrep.

Patterns of paths.
"""

import asyncio
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from attractor.base.processes import ExecResult, run_process
from attractor.environments._search import matches, selects
from attractor.environments.environment import GrepOptions, GrepOutput
from attractor.environments.errors import FileUnusable, InvalidPattern
from attractor.environments.search import Searcher
from tests.counts import count
from tests.needs import require
from tests.tables import table

ALL = GrepOptions()


@pytest.fixture(params=["ripgrep", "python"])
def searcher(request: pytest.FixtureRequest) -> Searcher:
    if request.param == "python":
        return Searcher(sys.executable, None)
    return Searcher(sys.executable, require("ripgrep"))


def grep(
    searcher: Searcher,
    folder: Path,
    pattern: str,
    path: str = ".",
    options: GrepOptions = ALL,
) -> list[str]:
    async def execute(command: str) -> ExecResult:
        return await run_process(
            ["/bin/bash", "-c", command], cwd=folder, env={}, timeout=timedelta(seconds=30)
        )

    return asyncio.run(searcher.grep(pattern, path, options, execute)).splitlines()


def test_search_skips_binary_files_and_git(searcher: Searcher, tmp_path: Path) -> None:
    seen = ["-dash", ".hidden", "a b'c", "ignored"]
    for name in (*seen, ".git/config", "sub/.git/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("needle\n")
    (tmp_path / ".gitignore").write_text("ignored\n")
    (tmp_path / "binary").write_bytes(b"\0needle\n")
    found = grep(searcher, tmp_path, "needle")
    assert sorted(found) == sorted(
        f"{n}:1:needle" for n in ("-dash", ".hidden", "a b'c", "ignored")
    )


def test_glob_with_folder_is_relative_to_the_root(searcher: Searcher, tmp_path: Path) -> None:
    for name in ("a/x.py", "b/x.py", "x.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("needle\n")
    assert grep(searcher, tmp_path, "needle", options=GrepOptions(glob="a/*.py")) == [
        "a/x.py:1:needle"
    ]
    assert len(grep(searcher, tmp_path, "needle", options=GrepOptions(glob="x.*"))) == 3
    assert grep(searcher, tmp_path, "needle", "b") == ["b/x.py:1:needle"]


def test_a_long_line_is_cut(searcher: Searcher, tmp_path: Path) -> None:
    (tmp_path / "long").write_text("needle" + "x" * 100_000)
    (line,) = grep(searcher, tmp_path, "needle")
    assert 500 <= len(line) < 700


def test_invalid_pattern_is_reported_with_its_fault(searcher: Searcher, tmp_path: Path) -> None:
    with pytest.raises(InvalidPattern, match=r"'a\(' is an invalid regular expression: .+"):
        grep(searcher, tmp_path, "a(")


FILES = ("a.py", "a/b.py", "a/c d.txt", "a.b/c.py", "b/d.ts", "b/deep/e.tsx", ".hidden", "-dash")
LINES = st.lists(
    st.sampled_from([b"", b"one", b"One two", b"  x = 1\r", "größe".encode(), b"x" * 600]),
    max_size=6,
)
# ripgrep stops at the limit of results, perhaps before it finds that a file is binary.
STARTS = st.sampled_from([b"", b"start\n", b"\0one\n"])
CONTENTS = st.tuples(STARTS, LINES, st.sampled_from([b"", b"\n"])).map(
    lambda drawn: drawn[0] + b"\n".join(drawn[1]) + drawn[2]
)
GLOBS = ["", "*.py", "!*.py", "a/*", "**/*.py", "a/**", "*.{ts,tsx}", "{a,b}/*", "**/deep/**", "?"]
OPTIONS = st.builds(
    GrepOptions,
    st.sampled_from(GLOBS),
    st.booleans(),
    st.sampled_from([1, 3, 100]),
    st.sampled_from(GrepOutput),
)


@given(
    files=st.dictionaries(st.sampled_from(FILES), CONTENTS),
    pattern=st.sampled_from(
        ["one", "^", "^$", "e$", r"\bx\b", "[Oo]ne|ö", "x{9}", r"\s=\s\d", "G"]
    ),
    path=st.sampled_from([".", "a", "b/deep"]),
    options=OPTIONS,
)
@settings(max_examples=count(ci=12, full=2000), deadline=None)
def test_both_searches_find_the_same(
    files: dict[str, bytes], pattern: str, path: str, options: GrepOptions
) -> None:
    ripgrep = require("ripgrep")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, content in {"a/x": b"", "b/deep/x": b"one", **files}.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(content)
        # ripgrep prints and counts matches of a binary file that is named as its argument.
        named = [file for file, content in files.items() if b"\0" not in content][:1]
        for searched in (path, *named):
            with_ripgrep = grep(Searcher("", ripgrep), folder, pattern, searched, options)
            with_python = grep(Searcher(sys.executable, None), folder, pattern, searched, options)
            assert with_ripgrep == with_python


def test_a_search_that_takes_for_ever_is_ended() -> None:
    async def execute(command: str) -> ExecResult:
        return ExecResult("", "", -15, timed_out=True, duration_ms=30_000)

    with pytest.raises(FileUnusable, match="exceeded"):
        asyncio.run(Searcher("python3", None).grep("a", ".", GrepOptions(), execute))


def test_failing_program_is_reported() -> None:
    async def execute(command: str) -> ExecResult:
        return ExecResult("", "no such program\n", 127, timed_out=False, duration_ms=1)

    with pytest.raises(FileUnusable, match="cannot search src: no such program"):
        asyncio.run(Searcher("python3", None).grep("a", "src", GrepOptions(), execute))


NAMES = st.lists(st.sampled_from(["a", "b.py", ".c"]), min_size=1, max_size=5).map("/".join)


@table(
    ("pattern", "path", "fits"),
    [
        ("*.py", "a.py", True),
        ("**/*.py", "a.py", True),
        ("**/*.py", "a/b/c.py", True),
        ("a/**/z", "a/z", True),
        ("a/**/**/z", "a/b/c/z", True),
        ("a/**", "a/b/c", True),
        ("./a/?.[ch]", "a/x.c", True),
        ("*", ".hidden", True),
        ("*.py", "a/b.py", False),
        ("a/*", "a/b/c", False),
        ("**/x/*.py", "a/b.py", False),
        ("*.PY", "a.py", False),
        ("*.{ts,tsx}", "a.tsx", True),
        ("{src,test/{a,b}}/*.py", "test/b/x.py", True),
        ("{src,test}/*.py", "x/a.py", False),
        ("a{b", "a{b", True),
        ("a", "a/b", False),
        ("a/b", "a", False),
        ("", "a", False),
    ],
)
def test_pattern_of_paths(pattern: str, path: str, fits: bool) -> None:
    assert matches(pattern, path) is fits


@given(NAMES)
def test_everything_matches_itself_and_two_stars(path: str) -> None:
    assert matches(path, path)
    assert matches("**", path)
    assert matches(f"**/{path}", f"x/y/{path}")


@table(
    ("glob", "file", "is_selected"),
    [
        ("*.py", "a/b.py", True),
        ("a/*.py", "b/a/c.py", False),
        ("!*.py", "a/b.py", False),
        ("!a/*", "b/c", True),
    ],
)
def test_selection_of_files(glob: str, file: str, is_selected: bool) -> None:
    assert selects(glob, file) is is_selected


def test_too_many_alternatives_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 1000 alternatives"):
        matches("{a,b}" * 40, "a")


def test_pattern_with_many_stars_matches_quickly() -> None:
    assert not matches("**/" * 50 + "z", "/".join("a" * 200))
