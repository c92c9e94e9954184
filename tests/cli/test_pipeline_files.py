import os
from pathlib import Path

import pytest

from attractor.base.errors import FileTrouble
from attractor.cli.pipeline_files import UNREADABLE, find_pipelines, open_pipelines, write_pipeline
from attractor.language.diagnostics import Diagnostic


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


def test_a_folder_is_searched_in_a_stable_order(folder: Path) -> None:
    found = ["a.gv", "b.dot", "sub/c.dot", "sub/deep/d.dot"]
    assert list(find_pipelines(["."])) == found
    assert list(find_pipelines([str(folder)])) == [str(folder / one) for one in found]


def test_a_search_does_not_wait_for_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe.dot")
    (folder / "lost.dot").symlink_to("nowhere.dot")
    found = list(find_pipelines(["."]))
    assert "lost.dot" in found
    assert "pipe.dot" not in found


def test_what_is_named_is_taken_wherever_it_lies(folder: Path) -> None:
    named = ["runs/r", ".git/x.dot", "notes.md"]
    assert list(find_pipelines(named)) == ["runs/r/graph.dot", ".git/x.dot", "notes.md"]


def test_a_file_is_found_once(folder: Path) -> None:
    (folder / "link.dot").symlink_to("b.dot")
    assert list(find_pipelines(["b.dot", "./b.dot", "link.dot", "sub", "sub/c.dot"])) == [
        "b.dot",
        "sub/c.dot",
        "sub/deep/d.dot",
    ]


def test_a_folder_without_a_pipeline_says_so(folder: Path) -> None:
    (folder / "empty").mkdir()
    (found,) = find_pipelines(["empty"])
    assert isinstance(found, Diagnostic)
    assert (found.rule, found.span.file, found.is_error) == (UNREADABLE, "empty", True)
    assert "name the file itself" in found.fix


def test_what_cannot_be_read_is_told_beside_the_rest(folder: Path) -> None:
    (folder / "latin.dot").write_bytes(b'digraph G {\n a [label="\xe9"] }')
    (folder / "lost.dot").symlink_to("nowhere.dot")
    opened = open_pipelines(["latin.dot", "b.dot", "lost.dot"])
    assert [one.file for one in opened.sources] == ["b.dot"]
    assert [one.message for one in opened.unread] == [
        "latin.dot is not UTF-8 (line 2)",
        "cannot read lost.dot: No such file or directory",
    ]
    assert opened.unread[0].fix == "save it as UTF-8"


def test_a_byte_order_mark_is_no_part_of_the_text(folder: Path) -> None:
    (folder / "marked.dot").write_bytes(b"\xef\xbb\xbfdigraph G {}")
    marked, plain = open_pipelines(["marked.dot", "b.dot"]).files
    assert (marked.source.text, marked.mark.encode()) == ("digraph G {}", b"\xef\xbb\xbf")
    assert (plain.source.text, plain.mark) == ("digraph G {}", "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_write_protected_file_stays_as_it_is(folder: Path) -> None:
    (folder / "b.dot").chmod(0o444)
    with pytest.raises(FileTrouble, match="write-protected"):
        write_pipeline("b.dot", "x")
    assert (folder / "b.dot").read_text() == "digraph G {}"
