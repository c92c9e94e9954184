from pathlib import Path

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.preparation.prepare import (
    FilesRead,
    FolderFiles,
    KnownFiles,
    TransformContext,
)
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import ValueKind
from attractor.language.transforms.prompt_files import PromptFiles
from tests.tables import table

FILES = {
    "prompts/plan.md": b"Plan: $goal\n",
    "bom.md": b"\xef\xbb\xbfPlan",
    "latin.md": "Pläne".encode("latin-1"),
    "binary.md": b"a\0b",
    "empty.md": b"",
    "ü.md": "ü".encode(),
    "../beside.md": b"Beside",
    "t.md.j2": b"{% if context.a %}{{ inputs.ticket }}{% endif %}",
    "broken.md.j2": b"one\n{% if %}",
    "run.sh": b"make test",
    "run.sh.j2": b"make {{ inputs.a }}",
}


def applied(attributes: str, *, known: bool = True) -> tuple[Graph, list[Diagnostic], FilesRead]:
    files = FilesRead(KnownFiles(FILES))
    context = TransformContext(files=files if known else None)
    graph = PromptFiles(context).apply(parse(f"digraph G {{ a [{attributes}]; b [prompt=x] }}"))
    assert all(one.rule == "prompt_file" for one in context.found)
    return graph, context.found, files


def read(attributes: str, key: str = "prompt") -> str:
    graph, found, _ = applied(attributes)
    assert found == []
    return graph.nodes["a"].attributes.text(key)


@table(
    ("prompt", "text"),
    [
        ("@prompts/plan.md", "Plan: $goal\n"),
        ("@bom.md", "Plan"),
        ("@empty.md", ""),
        ("@ü.md", "ü"),
        ("@../beside.md", "Beside"),
        ("@@prompts/plan.md", "@prompts/plan.md"),
        ("@@@x", "@@x"),
        ("mail@example.org", "mail@example.org"),
        (" @prompts/plan.md", " @prompts/plan.md"),
    ],
)
def test_a_name_becomes_the_text_of_its_file(prompt: str, text: str) -> None:
    assert read(f'prompt="{prompt}"') == text


def test_files_of_prompts_and_commands_only() -> None:
    attributes = 'tool_command="@run.sh", label="@run.sh", prompt="@bom.md"'
    assert read(attributes, "tool_command") == "make test"
    assert read(attributes, "label") == "@run.sh"
    assert read(attributes) == "Plan"
    files = FilesRead(KnownFiles(FILES))
    graph = parse('digraph G { node [prompt="@bom.md"]; a; b [prompt=c] }')
    after = PromptFiles(TransformContext(files=files)).apply(graph)
    assert [node.prompt for node in after.nodes.values()] == ["Plan", "c"]
    assert [node.prompt for node in graph.nodes.values()] == ["@bom.md", "c"]
    graph, found, _ = applied('prompt="@prompts/plan.md", tool_command="@@x"', known=False)
    assert graph.nodes["a"].prompt == "@prompts/plan.md"
    assert graph.nodes["a"].attributes.text("tool_command") == "@x"
    assert found == []


def test_file_keeps_the_span_of_its_name() -> None:
    graph, _, files = applied('prompt="@prompts/plan.md"')
    assert files.by_name == {"prompts/plan.md": FILES["prompts/plan.md"]}
    value = graph.nodes["a"].attributes.value("prompt")
    assert value is not None
    assert (value.kind, value.span.column, value.span.end_column) == (ValueKind.STRING, 23, 41)
    assert graph.nodes["b"].prompt == "x"
    graph, found, files = applied('prompt="@t.md.j2"')
    value = graph.nodes["a"].attributes.value("prompt")
    assert value is not None
    assert (value.kind, str(value)) == (ValueKind.TEMPLATE, FILES["t.md.j2"].decode())
    assert found == []
    assert list(files.by_name) == ["t.md.j2"]


@table(
    ("attributes", "message"),
    [
        ('prompt="@nowhere.md"', "cannot read nowhere.md: the file is not part of the run"),
        ('prompt="@"', "missing file name in prompt"),
        ('prompt="@/etc/motd"', "'/etc/motd' is an absolute path"),
        ('prompt="@latin.md"', "latin.md is not valid UTF-8 (line 1)"),
        ('prompt="@binary.md"', "binary.md is a binary file"),
        ('prompt="@broken.md.j2"', "broken.md.j2, line 2: "),
        (
            'tool_command="@run.sh.j2"',
            "run.sh.j2 is a template, which tool_command does not support",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_at_the_value(attributes: str, message: str) -> None:
    graph, (one,), _ = applied(attributes)
    assert one.message.startswith(message)
    assert (one.severity, one.node) == (Severity.ERROR, "a")
    assert one.fix
    key, _, value = attributes.partition("=")
    assert one.span.column == len("digraph G { a [") + len(key) + 2
    assert one.span.end_column - one.span.column == len(value)
    assert graph.nodes["a"].attributes.text(key) == value.strip('"')


def test_a_folder_is_no_prompt(tmp_path: Path) -> None:
    context = TransformContext(files=FolderFiles(tmp_path))
    PromptFiles(context).apply(parse('digraph G { a [prompt="@."] }'))
    assert [one.message for one in context.found] == ["cannot read .: Is a directory"]
