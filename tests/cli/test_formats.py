from collections.abc import Mapping
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.cli.formats import format_for, refuse_binary_on_terminal, write_result

ENDINGS: Mapping[str, str] = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".json": "json"}


def chosen(said: str | None, output: str | None) -> str:
    return format_for(said, output, endings=ENDINGS, usual="text", noun="a drawing")


@pytest.mark.parametrize(
    ("said", "output", "format_"),
    [
        (None, None, "text"),
        (None, "out", "text"),
        (None, "a.b/out.SVG", "svg"),
        (None, "out.gv", "dot"),
        ("svg", None, "svg"),
        ("svg", "out.svg", "svg"),
        ("dot", "out.gv", "dot"),
        ("svg", "out.picture", "svg"),
        ("svg", "out", "svg"),
    ],
)
def test_what_is_said_counts_then_the_ending(
    said: str | None, output: str | None, format_: str
) -> None:
    assert chosen(said, output) == format_


@pytest.mark.parametrize(
    ("said", "output", "words"),
    [
        ("svg", "out.dot", "out.dot ends with .dot, which is not svg"),
        ("json", "out.svg", "which is not json"),
        (None, "out.jpeg", "a drawing does not end with .jpeg"),
    ],
)
def test_a_file_whose_name_would_lie_is_refused(said: str | None, output: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        chosen(said, output)


def test_a_terminal_takes_text_only() -> None:
    refuse_binary_on_terminal("png", is_terminal=False)
    refuse_binary_on_terminal("svg", is_terminal=True)
    with pytest.raises(UsageError, match="a terminal cannot show a PNG"):
        refuse_binary_on_terminal("png", is_terminal=True)


def test_a_text_ends_with_one_newline_and_a_picture_as_it_is(tmp_path: Path) -> None:
    write_result(b"text\n\n", "svg", str(tmp_path / "a"))
    write_result(b"picture\n\n", "png", str(tmp_path / "b"))
    assert (tmp_path / "a").read_bytes() == b"text\n"
    assert (tmp_path / "b").read_bytes() == b"picture\n\n"
