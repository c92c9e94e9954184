"""A rewritten text keeps its line ends, and therefore its meaning."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from attractor.base.errors import FileError
from attractor.cli.pipelines.files import (
    UNREADABLE,
    find_pipelines,
    has_mixed_line_ends,
    open_pipelines,
    with_line_ends_of,
    write_pipeline,
)
from attractor.language import format, parse
from attractor.language.diagnostics import Diagnostic
from attractor.language.formatter import format_text
from attractor.language.graph.graph import Graph
from tests.counts import count
from tests.language.pipelines import any_graphs


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    names = [
        *("b.dot", "a.gv", "sub/c.dot", "sub/deep/d.dot", "notes.md", ".hidden.dot"),
        *(".git/x.dot", "runs/r/graph.dot", "node_modules/m.dot", "venv/v.dot", ".venv/w.dot"),
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("digraph G {}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folder_search(folder: Path) -> None:
    found = ["a.gv", "b.dot", "sub/c.dot", "sub/deep/d.dot"]
    assert list(find_pipelines(["."])) == found
    assert list(find_pipelines([str(folder)])) == [str(folder / one) for one in found]
    named = ["runs/r", ".git/x.dot", "notes.md"]
    assert list(find_pipelines(named)) == ["runs/r/graph.dot", ".git/x.dot", "notes.md"]
    os.mkfifo(folder / "pipe.dot")
    (folder / "lost.dot").symlink_to("nowhere.dot")
    found = list(find_pipelines(["."]))
    assert "lost.dot" in found
    assert "pipe.dot" not in found


def test_a_file_is_found_once(folder: Path) -> None:
    (folder / "link.dot").symlink_to("b.dot")
    assert list(find_pipelines(["b.dot", "./b.dot", "link.dot", "sub", "sub/c.dot"])) == [
        "b.dot",
        "sub/c.dot",
        "sub/deep/d.dot",
    ]


def test_unreadable_files_are_reported_with_the_others(folder: Path) -> None:
    (folder / "empty").mkdir()
    (found,) = find_pipelines(["empty"])
    assert isinstance(found, Diagnostic)
    assert (found.rule, found.span.file, found.is_error) == (UNREADABLE, "empty", True)
    assert "pass the file itself" in found.fix
    (folder / "latin.dot").write_bytes(b'digraph G {\n a [label="\xe9"] }')
    (folder / "lost.dot").symlink_to("nowhere.dot")
    opened = open_pipelines(["latin.dot", "b.dot", "lost.dot"])
    assert [one.file for one in opened.sources] == ["b.dot"]
    assert [one.message for one in opened.unread] == [
        "latin.dot is not valid UTF-8 (line 2)",
        "cannot read lost.dot: No such file or directory",
    ]
    assert opened.unread[0].fix == "save it as UTF-8"
    (folder / "marked.dot").write_bytes(b"\xef\xbb\xbfdigraph G {}")
    marked, plain = open_pipelines(["marked.dot", "b.dot"]).files
    assert (marked.source.text, marked.mark.encode()) == ("digraph G {}", b"\xef\xbb\xbf")
    assert (plain.source.text, plain.mark) == ("digraph G {}", "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_write_protected_file_is_unchanged(folder: Path) -> None:
    (folder / "b.dot").chmod(0o444)
    with pytest.raises(FileError, match="write-protected"):
        write_pipeline("b.dot", "x")
    assert (folder / "b.dot").read_text() == "digraph G {}"


def test_line_endings_are_kept() -> None:
    assert with_line_ends_of("a\r\nb\r\n", "c\nd\r\ne") == "c\r\nd\r\ne"
    assert with_line_ends_of("a\r\nb\n", "c\nd\n") == "c\nd\n"
    assert with_line_ends_of("a", "c\n") == "c\n"
    text = 'digraph G {\n    a [x="1\n2"]  // "b\n}\n'
    assert with_line_ends_of("a\r\n", text) == 'digraph G {\r\n    a [x="1\n2"]  // "b\r\n}\r\n'
    assert has_mixed_line_ends("a\r\nb\n")
    assert not has_mixed_line_ends("a\r\nb\r\n")
    assert not has_mixed_line_ends("a\nb\n")
    text = 'digraph x { /* a\n b */ y [prompt="c\nd" + "e"] // e\n#f\n y->z }\n'
    crlf = text.replace("\n", "\r\n")
    laid_out = with_line_ends_of(crlf, format_text(crlf))
    assert laid_out == format_text(text).replace("\n", "\r\n")
    assert parse(laid_out) == parse(crlf)


@settings(
    max_examples=count(ci=20, full=1_000),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(any_graphs())
def test_formatted_crlf_text_is_unchanged(graph: Graph) -> None:
    text = re.sub(r"(?<!\r)\n", "\r\n", format(graph))
    assert with_line_ends_of(text, format_text(text)) == text
