"""Fenced texts, and their way back."""

from hypothesis import given, strategies as st

from attractor.base.fenced import fenced_alone, unfenced


@given(st.text(), st.text(alphabet="0123456789abcdef", min_size=16, max_size=16))
def test_command_gets_the_fenced_text_as_it_was(text: str, marker: str) -> None:
    assert unfenced(fenced_alone("ticket", text, marker)) == text


@given(st.text())
def test_text_without_a_fence_stays(text: str) -> None:
    assert unfenced(text) == text
