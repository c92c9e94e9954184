from attractor.language.source.syntax_tree import NOWHERE, Span
from attractor.language.source.text import Source
from tests.tables import table


@table(
    ("start", "end", "place"),
    [
        (0, 2, (1, 1, 1, 3)),
        (0, 3, (1, 1, 2, 1)),
        (3, 5, (2, 1, 2, 3)),
        (4, 9, (2, 2, 4, 2)),
        (9, 9, (4, 2, 4, 2)),
    ],
)
def test_offsets_have_lines_and_columns(start: int, end: int, place: tuple[int, ...]) -> None:
    assert Source("ab\ncde\n\nx", "f").span(start, end) == Span("f", *place)


def test_lines_and_columns_of_unusual_texts() -> None:
    source = Source("ab\r\ncde\n")
    assert [source.line(number) for number in (0, 1, 2, 3, 4)] == ["", "ab", "cde", "", ""]
    source = Source("ä\u2028𝒳b\f\n")
    assert source.span(3, 4) == Span("", 1, 4, 1, 5)
    assert not NOWHERE.is_somewhere
    assert Source("x").span(0, 1).is_somewhere
