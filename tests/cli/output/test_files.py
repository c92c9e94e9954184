"""Formats by file extension, results in files, and patches."""

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
from hypothesis import assume, given, settings, strategies as st

from attractor.base.errors import UsageError
from attractor.cli.output.files import (
    format_for,
    painted_diff,
    refuse_binary_on_terminal,
    text_diff,
    write_result,
)
from tests.counts import count
from tests.tables import table

ENDINGS: Mapping[str, str] = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".json": "json"}


def chosen(said: str | None, output: str | None) -> str:
    return format_for(said, output, endings=ENDINGS, default="text", noun="a drawing")


@table(
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
def test_format_option_overrides_the_file_extension(
    said: str | None, output: str | None, format_: str
) -> None:
    assert chosen(said, output) == format_


@table(
    ("said", "output", "words"),
    [
        ("svg", "out.dot", "out.dot has the extension .dot, but the format is svg"),
        ("json", "out.svg", "but the format is json"),
        (None, "out.jpeg", "unknown file extension .jpeg"),
    ],
)
def test_contradicting_file_extension_is_refused(said: str | None, output: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        chosen(said, output)


def test_binary_and_text_output(tmp_path: Path) -> None:
    refuse_binary_on_terminal("png", is_terminal=False)
    refuse_binary_on_terminal("svg", is_terminal=True)
    with pytest.raises(UsageError, match="cannot print PNG"):
        refuse_binary_on_terminal("png", is_terminal=True)
    write_result(b"text\n\n", "svg", str(tmp_path / "a"))
    write_result(b"picture\n\n", "png", str(tmp_path / "b"))
    assert (tmp_path / "a").read_bytes() == b"text\n"
    assert (tmp_path / "b").read_bytes() == b"picture\n\n"


LINES = st.lists(st.sampled_from(["a", "", "-- x", "++ y", "@@ z", "\x0c", "é"]), max_size=5)
TEXTS = st.tuples(LINES, st.booleans()).map(lambda one: "\n".join(one[0]) + "\n" * one[1])


def test_text_diff_is_a_patch() -> None:
    assert text_diff("a\nb\n", "a\nc\n", file="f.dot").split("\n") == [
        "--- f.dot",
        "+++ f.dot",
        "@@ -1,2 +1,2 @@",
        " a",
        "-b",
        "+c",
    ]
    diff = text_diff("-- a", "-- a\n", file="f")
    assert diff.split("\n")[3:] == ["--- a", "\\ No newline at end of file", "+-- a"]
    painted = painted_diff(text_diff("a\x1b[0m\n", "b\n", file="f"))
    assert click.style("+b", fg="green") in painted
    assert click.style("-a\ufffd[0m", fg="red") in painted


@settings(max_examples=count(ci=12, full=200), deadline=None)
@given(before=TEXTS, after=TEXTS)
def test_git_applies_the_diff(before: str, after: str) -> None:
    assume(before and after and before != after)
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "f"
        file.write_bytes(before.encode())
        diff = text_diff(before, after, file="f") + "\n"
        subprocess.run(
            ["git", "apply", "-p0", "--whitespace=nowarn", "-"],
            input=diff.encode(),
            cwd=name,
            check=True,
        )
        assert file.read_bytes() == after.encode()
