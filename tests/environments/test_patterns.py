"""Patterns of paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.environments.patterns import matches

NAMES = st.lists(st.sampled_from(["a", "b.py", ".c"]), min_size=1, max_size=5).map("/".join)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.py", "a.py"),
        ("**/*.py", "a.py"),
        ("**/*.py", "a/b/c.py"),
        ("a/**/z", "a/z"),
        ("a/**/**/z", "a/b/c/z"),
        ("a/**", "a/b/c"),
        ("./a/?.[ch]", "a/x.c"),
        ("*", ".hidden"),
    ],
)
def test_a_pattern_matches(pattern: str, path: str) -> None:
    assert matches(pattern, path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.py", "a/b.py"),
        ("a/*", "a/b/c"),
        ("**/x/*.py", "a/b.py"),
        ("*.PY", "a.py"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("", "a"),
    ],
)
def test_a_pattern_does_not_match(pattern: str, path: str) -> None:
    assert not matches(pattern, path)


@given(NAMES)
def test_everything_matches_itself_and_two_stars(path: str) -> None:
    assert matches(path, path)
    assert matches("**", path)
    assert matches(f"**/{path}", f"x/y/{path}")


def test_many_stars_take_no_time() -> None:
    assert not matches("**/" * 50 + "z", "/".join("a" * 200))
