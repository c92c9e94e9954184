from hypothesis import given
from hypothesis import strategies as st

from attractor.twins.seals import enclose, is_intact, seal


@given(st.text())
def test_what_was_enclosed_is_intact(text: str) -> None:
    assert is_intact(enclose(text))
    assert seal(text) == seal(text)


@given(st.text(), st.text())
def test_a_seal_belongs_to_one_text(one: str, other: str) -> None:
    assert (seal(one) == seal(other)) == (one == other)


@given(st.text(), st.integers(0), st.characters())
def test_the_least_change_is_seen(text: str, at: int, letter: str) -> None:
    whole = enclose(text)
    place = at % len(whole)
    changed = whole[:place] + letter + whole[place + 1 :]
    assert is_intact(changed) == (changed == whole)


def test_what_was_never_enclosed_is_not_intact() -> None:
    assert not any(map(is_intact, ["", ".", "text", "dGV4dA==", "dGV4dA==.", "é.é"]))
