import re
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from attractor.language.conditions.grammar import InvalidPattern, compile_pattern
from tests.growing import times_more
from tests.tables import table

_ATOMS = st.sampled_from(
    ["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", r"\s", r"\.", "^", "$", r"\b", r"[\d-]", r"\x61"]
)
_REPEATS = st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "+?", "{2,3}?"])


def _larger(inside: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    grouped = st.sampled_from(["({})", "(?:{})"]).flatmap(lambda form: inside.map(form.format))
    return st.one_of(
        st.lists(inside, min_size=1, max_size=3).map("".join),
        st.lists(inside, min_size=2, max_size=3).map("|".join),
        grouped,
        st.builds("{}{}".format, grouped, _REPEATS),
    )


PATTERNS = st.recursive(_ATOMS, _larger, max_leaves=6)


@given(PATTERNS, st.text("ab1. \n_", max_size=8), st.booleans())
def test_pattern_agrees_with_python(pattern: str, text: str, ignores_case: bool) -> None:
    if ignores_case:
        pattern, text = f"(?i){pattern}", text.upper()
    found = re.search(pattern, text, re.DOTALL) is not None
    assert compile_pattern(pattern)(text) is found


@table(
    "pattern",
    ["(", ")", "*a", "a**", "[", "[]", "[z-a]", "(?=a)", "(?<!a)b", r"(a)\1", "\\"]
    + [r"\q", r"\Z", "a{2,1}", "((a{1000}){1000}){1000}", "(" * 10_000],
)
def test_invalid_pattern_is_reported(pattern: str) -> None:
    with pytest.raises(InvalidPattern) as raised:
        compile_pattern(pattern)
    assert raised.value.hint


@table("pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", ".*.*.*.*x", "(.*a){12}b"])
def test_ten_times_the_text_is_ten_times_the_work(pattern: str) -> None:
    compiled = compile_pattern(pattern)
    assert not compiled("a" * 2_000 + "!")
    assert times_more(lambda few: lambda: compiled("a" * few + "!"), few=30) < 15


@given(st.text(max_size=20) | st.text(r"ab()[]{}|*+?\^$.,1-&", max_size=12))
def test_any_text_is_a_pattern_or_an_error(text: str) -> None:
    with suppress(InvalidPattern):
        assert compile_pattern(text)("ab1") in (True, False)
