"""Files and inputs of a prepared pipeline."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import attractor.language as language
from attractor.base.errors import UsageError
from attractor.language import Graph, Severity, parse, prepare
from attractor.language.diagnostics import UnreadablePipeline
from attractor.language.preparation.prepare import (
    FilesRead,
    FolderFiles,
    KnownFiles,
    TransformContext,
)
from attractor.language.transforms.variable_expansion import VariableExpansion
from tests.tables import table


@table("name", ["nope.md", "", "a\0b"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadablePipeline, match="cannot read"):
        FolderFiles(tmp_path).read(name)


def test_files_are_read_once_and_remembered(tmp_path: Path) -> None:
    file = tmp_path / "plan.md"
    file.write_bytes(b"Plan")
    files = FilesRead(FolderFiles(tmp_path))
    assert files.read("plan.md") == b"Plan"
    file.unlink()
    assert files.read("plan.md") == b"Plan"
    assert files.by_name == {"plan.md": b"Plan"}
    assert KnownFiles({"a": b"1"}).read("a") == b"1"
    with pytest.raises(UnreadablePipeline, match="not part of the run"):
        KnownFiles({"a": b"1"}).read("b")


def test_special_file_is_rejected(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    with pytest.raises(UnreadablePipeline, match="not a regular file"):
        FolderFiles(tmp_path).read("pipe.md")


def test_files_outside_the_project_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    inner = tmp_path / "project" / "pipelines"
    inner.mkdir(parents=True)
    (tmp_path / "project" / "shared.md").write_text("shared")
    (inner / "link.md").symlink_to(tmp_path / "secret")
    files = FolderFiles(inner, within=tmp_path / "project")
    assert files.read("../shared.md") == b"shared"
    for name in ("../../secret", "link.md", str(tmp_path / "secret")):
        with pytest.raises(UnreadablePipeline, match="outside the project"):
            files.read(name)
    with pytest.raises(UnreadablePipeline, match="outside"):
        FolderFiles(inner).read("../shared.md")


def prompt(text: str, goal: str) -> str:
    source = parse("digraph G { a [prompt=x] }")
    node = source.nodes["a"]
    value = replace(node.attributes.by_key["prompt"].value, plain=text)
    graph = replace(
        source, nodes={"a": replace(node, attributes=node.attributes.replaced("prompt", value))}
    )
    attributes = parse(f'digraph G {{ goal = "{goal}" }}').attributes
    return (
        VariableExpansion(TransformContext())
        .apply(replace(graph, attributes=attributes))
        .nodes["a"]
        .prompt
    )


@table(
    ("text", "goal", "expanded"),
    [
        ("Do $goal, then $goal.", "it", "Do it, then it."),
        ("$goals and $goal_2", "it", "$goals and $goal_2"),
        ("$goal", "$goal and \\\\1", "$goal and \\1"),
        ("$goal", "", ""),
        ("goal", "it", "goal"),
    ],
)
def test_the_goal_is_put_into_prompts_once(text: str, goal: str, expanded: str) -> None:
    assert prompt(text, goal) == expanded


def test_expansion_keeps_spans_and_does_not_change_its_input() -> None:
    graph = parse('digraph G { goal=it; a [prompt="$goal"]; b }')
    after = VariableExpansion(TransformContext()).apply(graph)
    assert graph.nodes["a"].prompt == "$goal"
    assert after.nodes["b"] is graph.nodes["b"]
    before = graph.nodes["a"].attributes.by_key["prompt"]
    assert after.nodes["a"].attributes.by_key["prompt"].value.span == before.value.span


def test_built_in_transforms_run_before_custom_ones() -> None:
    class Add:
        def __init__(self, text: str) -> None:
            self.text = text

        def apply(self, graph: Graph) -> Graph:
            return replace(graph, name=f"{graph.name} {graph.nodes['a'].prompt}{self.text}")

    prepared = prepare('digraph G { goal=it; a [prompt="$goal"] }', transforms=[Add("1"), Add("2")])
    assert prepared.graph is not None
    assert prepared.graph.name == "G it1 it2"


class Forgetful:
    def apply(self, graph: Graph) -> None:
        replace(graph, name="lost")


@table(
    ("transform", "message"),
    [
        (Forgetful(), "the transform Forgetful returned NoneType, not a graph"),
        (Forgetful, "the transform Forgetful is a class"),
        (object(), "the transform object has no method apply"),
        (len, "the transform len has no method apply"),
    ],
)
def test_invalid_transform_is_reported(transform: Any, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        prepare("digraph G { start -> exit }", transforms=[transform])
    assert raised.value.message == message
    assert raised.value.hint


def test_soundness() -> None:
    prepared = prepare("digraph G { a -- b }")
    assert prepared.graph is None
    assert not prepared.is_sound
    assert [one.rule for one in prepared.diagnostics] == ["syntax"]
    prepared = prepare("digraph { start; a; exit; start -> a -> exit }")
    assert prepared.is_sound
    assert {one.severity for one in prepared.diagnostics} == {Severity.INFO, Severity.WARNING}


def test_package_exports_exactly_its_public_names() -> None:
    assert all(getattr(language, name) for name in language.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = language.nonsense  # pyright: ignore
