"""Fenced texts, and their way back."""

import re

from hypothesis import given, strategies as st

from attractor.base.fenced import code_blocks, fenced_alone, unfenced
from tests.growing import times_more


@given(st.text(), st.text(alphabet="0123456789abcdef", min_size=16, max_size=16))
def test_command_gets_the_fenced_text_as_it_was(text: str, marker: str) -> None:
    assert unfenced(fenced_alone("ticket", text, marker)) == text


@given(st.text())
def test_text_without_a_fence_stays(text: str) -> None:
    assert unfenced(text) == text


_LINES = st.sampled_from(["```", "```json", "``` \t", "```\r", "``` x", "a", " ```", ""])


@given(st.lists(_LINES).map("\n".join))
def test_code_blocks_are_closed_and_at_the_beginning_of_lines(text: str) -> None:
    pattern = r"^```\w*[ \t]*\r?\n(.*?)^```[ \t]*\r?$"
    assert code_blocks(text) == re.findall(pattern, text, re.DOTALL | re.MULTILINE)


def test_code_blocks_without_an_end_take_linear_time() -> None:
    assert times_more(lambda few: lambda: code_blocks("```a\n" * few), few=100) < 11
    assert code_blocks("```a\n" * 200_000) == []
