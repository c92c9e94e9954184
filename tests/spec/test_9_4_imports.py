"""Specification 9.4: one pipeline is made of several files."""

from pathlib import Path

from attractor.language import format, parse, prepare
from attractor.language.preparation.prepare import FolderFiles

MAIN = """digraph Main {
    goal = "Ship it"
    start  [shape=Mdiamond]
    plan   [prompt="Plan"]
    review [type="import", file="parts/review.dot"]
    exit   [shape=Msquare]
    start -> plan -> review
    review -> exit [condition="outcome=success"]
    review -> plan [condition="outcome!=success"]
}"""
REVIEW = """digraph Review {
    default_max_retries = 2
    start [shape=Mdiamond]
    look  [prompt="@look.md"]
    exit  [shape=Msquare]
    start -> look -> exit
}"""


def test_9_4_a_graph_is_merged_into_another(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "review.dot").write_text(REVIEW, encoding="utf-8")
    (tmp_path / "parts" / "look.md").write_text("Look whether it does: $goal", encoding="utf-8")
    made = prepare(MAIN, files=FolderFiles(tmp_path))
    assert made.is_sound
    assert made.graph is not None
    assert set(made.files) == {"parts/review.dot", "parts/look.md"}
    look = made.graph.nodes["review__look"]
    assert look.prompt == "Look whether it does: Ship it"
    assert look.attributes.number("max_retries") == 2
    assert [(one.source, one.target) for one in made.graph.edges] == [
        ("start", "plan"),
        ("plan", "review__start"),
        ("review__exit", "exit"),
        ("review__exit", "plan"),
        ("review__start", "review__look"),
        ("review__look", "review__exit"),
    ]
    assert parse(format(made.graph)) == made.graph
