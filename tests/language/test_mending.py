from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.language.mending import mend
from attractor.language.sources import Source
from tests.counts import count

PIECES = st.sampled_from(
    [
        *('"', '"', '\\"', "\\", "\n", "\r\n", "=", "[", "]", "{", "}", ",", ";", "a", "b ", "k="),
        *("//", "/*", "*/", "#", "+", "->", "\u200b", "\u00a0", "\u201c", '"x"'),
        *("'", "`", "<", ">", "# ", "='", "=@/", "://", "k=[", "k={", "=\n", "label=a b", "+1"),
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
@settings(max_examples=count(ci=100, full=10_000), deadline=None)
def test_a_mended_text_has_all_in_its_place(inside: str) -> None:
    text = f"digraph G {{{inside}"
    findings = mend(Source(text))
    mended = findings.source.text if findings else text
    assert [len(one) for one in mended.split("\n")] == [len(one) for one in text.split("\n")]


def test_a_key_over_two_lines_keeps_them() -> None:
    findings = mend(Source('digraph G {"\n"=\nk=['))
    assert findings
    assert findings.source.text == "digraph G { \n  \nk=["


def test_a_text_without_anything_of_the_kind_stays() -> None:
    assert mend(Source('digraph G { a -- b [label="x"] }')) is None


def test_a_text_that_lacks_a_quote_is_whole_in_what_is_read() -> None:
    findings = mend(Source('digraph G { a [label="one\\two] }'))
    assert findings
    assert findings.source.text == 'digraph G { a [label="one_tw"] }'


def test_a_quote_within_a_text_is_told_once_of_each() -> None:
    findings = mend(Source('digraph G {\n a [b="x "y" z"]\n c [d="x "y" z"]\n}'))
    assert findings
    assert [one.span.line for one in findings.diagnostics] == [2, 3]
