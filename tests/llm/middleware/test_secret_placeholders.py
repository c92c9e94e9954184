""""""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from attractor.llm.middleware.secret_placeholders import escaped, finder_of, unescaped

VALUES = ["aba", "ab", 'q"q']
LETTERS = st.text('abq"\\x', max_size=12)


def found(text: str, *patterns: str) -> list[str]:
    finder = finder_of(VALUES, [re.compile(one) for one in patterns])
    return [text[begin:end] for begin, end in finder.spans(text)]


def test_a_value_is_found_as_it_is_and_as_json_writes_it() -> None:
    assert found('x q"q q\\"q') == ['q"q', 'q\\"q']


def test_those_that_overlap_are_one_and_neighbours_are_two() -> None:
    assert found("abab") == ["abab"]
    assert found("abxab", "bxa") == ["abxab"]
    assert found("ab-ab") == ["ab", "ab"]
    assert found("xabaabx") == ["aba", "ab"]


def test_a_pattern_that_finds_nothing_at_some_place_replaces_nothing_there() -> None:
    assert found("xx1", r"(?<=x)\d*") == ["1"]


@given(LETTERS)
def test_no_value_is_left_over(text: str) -> None:
    finder = finder_of(VALUES, [])
    left, at = "", 0
    for begin, end in finder.spans(text):
        assert begin >= at
        left, at = f"{left}{text[at:begin]}|", end
    left += text[at:]
    assert not any(form in left for form in finder.forms)


@given(st.text())
def test_what_json_writes_is_read_again(text: str) -> None:
    assert unescaped(escaped(text)) == text
    assert json.loads(f'"{escaped(text)}"') == text


def test_what_json_would_not_write_stays_as_it_is() -> None:
    for text in ("a\\d", 'a"\\n', "plain", "\\"):
        assert unescaped(text) == text
