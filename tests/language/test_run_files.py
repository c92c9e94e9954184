"""The files that a graph runs as pipelines are looked at, and are no part of it."""

from pathlib import Path

import pytest

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.preparation import prepare
from attractor.language.surroundings import FolderFiles, KnownFiles

CHILD = "digraph Child { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }"


def pipeline(text: str) -> str:
    ends = "start [shape=Mdiamond]; exit [shape=Msquare]; start -> a -> exit"
    return f"digraph G {{ {ends}; {text} }}"


def reported(text: str, folder: Path) -> list[Diagnostic]:
    found = prepare(pipeline(text), file="g.dot", files=FolderFiles(folder)).diagnostics
    return [one for one in found if one.rule == "pipeline_file"]


@pytest.mark.parametrize(
    "text",
    [
        'a [type=pipeline, file="{}"]',
        'a [shape=house]; "stack.child_dotfile"="{}"',
    ],
)
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("child.dot", ""),
        ("deep/child.dot", ""),
        ("nowhere.dot", "cannot read nowhere.dot: No such file or directory"),
        ("../outside.dot", ""),
        ("deep", "cannot read deep: Is a directory"),
        ("broken.dot", "'broken.dot' is no pipeline: '--' is no edge: edges have a direction, on"),
        ("image.dot", "image.dot is not a text"),
    ],
)
def test_a_file_that_is_no_pipeline_is_reported(
    text: str, name: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "child.dot").write_text(CHILD)
    (tmp_path / "deep" / "child.dot").write_text(CHILD)
    (tmp_path / "broken.dot").write_text("digraph G {\n a -- b\n b -- c }")
    (tmp_path / "image.dot").write_bytes(b"\0\1")
    found = reported(text.format(name), tmp_path)
    assert len(found) == bool(message)
    for one in found:
        assert one.message.startswith(message)
        assert (one.severity, one.node, bool(one.fix)) == (Severity.ERROR, "a", True)
        assert one.span.is_somewhere


def test_each_node_is_told_and_a_file_read_once(tmp_path: Path) -> None:
    text = 'a [type=pipeline, file="x.dot"]; b [type=pipeline, file="x.dot"]; c [type=pipeline]'
    assert [one.node for one in reported(text, tmp_path)] == ["a", "b"]


def test_what_is_run_is_no_part_of_the_pipeline(tmp_path: Path) -> None:
    (tmp_path / "child.dot").write_text(CHILD)
    text = pipeline('a [type=pipeline, file="child.dot"]')
    assert prepare(text, files=FolderFiles(tmp_path)).files == {}


@pytest.mark.parametrize("files", [None, KnownFiles({})])
def test_where_files_cannot_be_seen_nothing_is_said(files: KnownFiles | None) -> None:
    text = pipeline('a [type=pipeline, file="nowhere.dot"]')
    assert [one.rule for one in prepare(text, files=files).diagnostics] == []


def test_a_path_in_an_imported_file_is_one_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "child.dot").write_text(CHILD)
    (tmp_path / "deep" / "sub.dot").write_text(pipeline('a [type=pipeline, file="child.dot"]'))
    text = pipeline('a [type=import, file="deep/sub.dot"]')
    prepared = prepare(text, file="g.dot", files=FolderFiles(tmp_path))
    assert prepared.graph
    assert prepared.graph.nodes["a__a"].attributes.text("file") == "deep/child.dot"
    assert not [one for one in prepared.diagnostics if one.is_error]
