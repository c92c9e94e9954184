"""Edits are applied all together or not at all, and until nothing is left to mend."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from attractor.language.diagnostics import Diagnostic, Edit, error, warning
from attractor.language.fixing import apply_edits, fix, mend
from attractor.language.graph import Graph
from attractor.language.preparation import Prepared
from attractor.language.sources import Source


def mending(text: str, *changes: tuple[int, int, str]) -> Diagnostic:
    source = Source(text)
    edits = tuple(Edit(source.span(start, end), new) for start, end, new in changes)
    return warning("wrong", edits[0].span, edits=edits)


def test_an_edit_stands_instead_of_what_it_points_at() -> None:
    text = "one\ntwo\nthree"
    first, second = mending(text, (0, 3, "1"), (8, 13, "3")), mending(text, (4, 7, ""))
    assert apply_edits(Source(text), [first, second]) == ("1\n\n3", [first, second])


def test_what_overlaps_waits_with_all_its_edits() -> None:
    text = "abcdef"
    first, second = mending(text, (0, 2, "x")), mending(text, (1, 3, "y"), (5, 6, "z"))
    assert apply_edits(Source(text), [first, second]) == ("xcdef", [first])


def test_a_fix_may_bring_another_to_light() -> None:
    def check(text: str) -> Iterator[Diagnostic]:
        if text.endswith("a"):
            yield mending(text, (len(text) - 1, len(text), ""))

    assert fix("baaa", check=check).text == "b"
    assert len(fix("baaa", check=check).mended) == 3


def test_what_never_settles_comes_to_an_end() -> None:
    def check(text: str) -> Iterator[Diagnostic]:
        yield mending(text, (0, 0, "x"))

    assert fix("", check=check).text == "x" * 20


@given(st.text(max_size=30), st.data())
def test_a_place_is_found_again(text: str, data: st.DataObject) -> None:
    source = Source(text)
    start = data.draw(st.integers(0, len(text)))
    span = source.span(start, data.draw(st.integers(start, len(text))))
    assert source.offset(span.line, span.column) == start


def judged(text: str, *diagnostics: Diagnostic, broken: bool = False) -> Prepared:
    return Prepared(None if broken else Graph("", {}), diagnostics)


def test_what_was_mended_and_what_is_left_are_told() -> None:
    def check(text: str) -> Prepared:
        fixable = [mending(text, (0, 1, "b"))] if text == "a" else []
        return judged(text, *fixable, error("left"))

    mended = mend("a", check=check)
    assert (mended.text, len(mended.mended), mended.harm) == ("b", 1, ())
    assert mended.left.diagnostics == (error("left"),)


def test_a_fix_that_brings_an_error_is_not_applied() -> None:
    def check(text: str) -> Prepared:
        found = [error("old"), mending(text, (0, 1, "b"))]
        return judged(text, *(found if text == "a" else [error("old"), error("new")]))

    mended = mend("a", check=check)
    assert (mended.text, mended.mended, mended.harm) == ("a", (), (error("new"),))
    assert mended.left.diagnostics[0] == error("old")


def test_a_second_error_of_the_same_words_is_new() -> None:
    def check(text: str) -> Prepared:
        found = [error("same"), mending(text, (0, 1, "b"))]
        return judged(text, *(found if text == "a" else [error("same"), error("same", fix="x")]))

    assert mend("a", check=check).harm == (error("same", fix="x"),)


def test_what_a_broken_grammar_hid_is_no_harm() -> None:
    def check(text: str) -> Prepared:
        if text == "a":
            return judged(text, mending(text, (0, 1, "b")), error("syntax"), broken=True)
        return judged(text, error("seen now"), error("and this"))

    assert mend("a", check=check).text == "b"


def test_a_fix_that_breaks_the_grammar_is_not_applied() -> None:
    def check(text: str) -> Prepared:
        if text == "a":
            return judged(text, mending(text, (0, 1, "b")), error("one"), error("two"))
        return judged(text, error("syntax"), broken=True)

    assert mend("a", check=check).text == "a"


def test_an_edit_of_another_file_is_not_made_here() -> None:
    elsewhere = Edit(Source("x", "other").span(0, 1), "y")
    found = warning("wrong", Source("a", "f").span(0, 1), edits=(elsewhere,))
    assert fix("a", check=lambda text: [found], file="f").text == "a"
