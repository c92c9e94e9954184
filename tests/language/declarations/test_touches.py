"""Patterns of files in `touches`, and whether two may match the same path."""

import pytest

from attractor.language.declarations.touches import declared_touches, is_within, shared_touches
from attractor.language.reading import parse
from tests.tables import table


def test_declared_patterns_are_split_at_commas() -> None:
    graph = parse('digraph g { graph [touches=" src/api/**, docs/*.md ,"] start -> done }')
    assert declared_touches(graph) == ["src/api/**", "docs/*.md"]
    assert declared_touches(parse("digraph g { start -> done }")) == []


@pytest.mark.parametrize(
    ("first", "second", "meet"),
    [
        ("src/api/**", "src/api/users.py", True),
        ("src/api/**", "src/**", True),
        ("src/**/models.py", "src/api/**", True),
        ("src/api/", "src/api/users.py", True),
        ("./readme.md", "*.md", True),
        ("src/*.py", "src/api*", True),
        ("**", "anything/at/all", True),
        ("src/api/**", "src/web/**", False),
        ("src/*.py", "src/api/users.py", False),
        ("docs/*.md", "docs/index.html", False),
        ("src", "src/api", False),
    ],
)
def test_patterns_meet_if_a_path_may_match_both(first: str, second: str, meet: bool) -> None:
    assert shared_touches([first], [second]) == ([first] if meet else [])
    assert shared_touches([second], [first]) == ([second] if meet else [])


@table(
    "narrow, wide, expected",
    [
        ("src/api/users.py", "src/**", True),
        ("src/api/", "src/", True),
        ("src/**", "**", True),
        ("src/*.py", "src/*", True),
        ("src/**/a.py", "src/**", True),
        ("src/**", "src/*", False),
        ("src", "src/api", False),
        ("src/a*", "src/*.py", False),
        ("src/../x", "src/**", False),
        ("**", "src/**", False),
    ],
)
def test_pattern_is_within_another_if_that_matches_all_of_its_paths(
    narrow: str, wide: str, expected: bool
) -> None:
    assert is_within(narrow, ["docs/*", wide]) is expected
