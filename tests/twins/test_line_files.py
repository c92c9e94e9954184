from pathlib import Path

import pytest

from attractor.base.errors import FileTrouble
from attractor.twins.line_files import add_line, mend_lines, whole_lines


def is_torn(line: bytes) -> bool:
    return line == b"to"


@pytest.mark.parametrize(
    ("written", "mended"),
    [("a\n", "a\n"), ("a\nb", "a\nb\n"), ("a\nto", "a\n"), ("", ""), ("to", "")],
)
def test_the_last_line_gets_its_end_or_goes(tmp_path: Path, written: str, mended: str) -> None:
    file = tmp_path / "lines"
    file.write_text(written)
    mend_lines(file, is_torn)
    assert file.read_text() == mended


def test_a_torn_line_is_passed_over() -> None:
    assert whole_lines(b"a\nto", is_torn) == [b"a"]
    assert whole_lines(b"to\nb", is_torn) == [b"to", b"b"]


def test_lines_are_added_behind_each_other(tmp_path: Path) -> None:
    for line in ("a", "ü"):
        add_line(tmp_path / "lines", line)
    assert (tmp_path / "lines").read_text("utf-8") == "a\nü\n"
    with pytest.raises(FileTrouble, match="nowhere"):
        add_line(tmp_path / "nowhere" / "lines", "a")
