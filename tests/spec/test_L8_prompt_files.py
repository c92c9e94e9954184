"""Ruling L8: prompts from files."""

from pathlib import Path

from attractor.language import Prepared, prepare
from attractor.language.preparation.prepare import FolderFiles
from attractor.language.source.syntax_tree import ValueKind


def prepared(folder: Path, prompt: str) -> Prepared:
    text = f"""digraph G {{
        goal = "Ship"
        start [shape=Mdiamond]
        work  [prompt="{prompt}"]
        exit  [shape=Msquare]
        start -> work -> exit
    }}"""
    return prepare(text, files=FolderFiles(folder))


def test_L8_a_prompt_is_read_from_a_file_beside_the_graph(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "plan.md").write_text("Plan: $goal", encoding="utf-8")
    made = prepared(tmp_path, "@prompts/plan.md")
    assert made.graph is not None
    assert made.graph.nodes["work"].prompt == "Plan: Ship"


def test_L8_the_bytes_of_the_file_are_handed_on_for_the_content_hash(tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_bytes(b"\xef\xbb\xbfPlan")
    assert prepared(tmp_path, "@plan.md").files == {"plan.md": b"\xef\xbb\xbfPlan"}
    assert prepared(tmp_path, "Plan").files == {}


def test_L8_a_missing_file_is_an_error_at_the_attribute(tmp_path: Path) -> None:
    made = prepared(tmp_path, "@prompts/plan.md")
    (one,) = (one for one in made.diagnostics if one.is_error)
    assert (one.rule, one.node, one.span.line) == ("prompt_file", "work", 4)
    assert "prompts/plan.md" in one.message
    assert not made.is_sound


def test_L8_a_template_is_checked_and_rendered_later(tmp_path: Path) -> None:
    (tmp_path / "plan.md.j2").write_text("{{ goal }} $goal", encoding="utf-8")
    made = prepared(tmp_path, "@plan.md.j2")
    assert made.graph is not None
    value = made.graph.nodes["work"].attributes.value("prompt")
    assert value is not None
    assert (value.kind, str(value)) == (ValueKind.TEMPLATE, "{{ goal }} $goal")
    (tmp_path / "plan.md.j2").write_text("{{ goal", encoding="utf-8")
    assert "prompt_file" in [one.rule for one in prepared(tmp_path, "@plan.md.j2").diagnostics]
