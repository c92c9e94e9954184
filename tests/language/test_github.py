from attractor.language.diagnostics import error, info, warning
from attractor.language.github import annotation
from attractor.language.spans import Span


def test_a_place_within_a_line_has_its_last_column() -> None:
    told = annotation(error("wrong", Span("a.dot", 2, 3, 2, 5), fix="do it"))
    assert told == "::error file=a.dot,line=2,col=3,endLine=2,endColumn=5,title=::wrong%0Ado it"


def test_a_place_of_several_lines_has_none() -> None:
    told = annotation(warning("wrong", Span("a.dot", 2, 3, 4, 5)))
    assert told == "::warning file=a.dot,line=2,col=3,endLine=4,title=::wrong"


def test_a_note_is_a_notice_and_a_file_needs_no_line() -> None:
    assert annotation(info("m", Span("a.dot", 0, 0, 0, 0))) == "::notice file=a.dot,title=::m"
    assert "file=caf\ufffd," in annotation(info("m", Span("caf\udce9", 0, 0, 0, 0)))
    assert annotation(info("m")) == "::notice title=::m"


def test_what_the_format_is_made_of_is_escaped() -> None:
    told = annotation(error("50% a:b,c\nd", Span("d:,%/\n.dot", 1, 1, 1, 2), fix="x::y"))
    assert told.startswith("::error file=d%3A%2C%25/%0A.dot,line=1")
    assert told.endswith("::50%25 a:b,c\\nd%0Ax::y")
