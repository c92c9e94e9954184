"""A pipeline is its text and all files that it includes."""

from pathlib import Path

from attractor.pipeline.source.read import hash_now, hash_of_file, open_pipeline

TEXT = """digraph P {
    start [shape=Mdiamond]
    work [prompt="@work.md"]
    exit [shape=Msquare]
    start -> work -> exit
}
"""


def a_pipeline(folder: Path) -> Path:
    file = folder / "pipeline.dot"
    file.write_text(TEXT)
    (folder / "work.md").write_text("Do it")
    return file


def test_a_changed_text_has_another_hash(tmp_path: Path) -> None:
    file = a_pipeline(tmp_path)
    pipeline = open_pipeline(str(file))
    file.write_text(TEXT.replace("work -> exit", "work -> exit [weight=2]"))
    assert hash_now(file, pipeline) == hash_of_file(file) != pipeline.content_hash


def test_changed_or_missing_prompt_changes_the_hash(tmp_path: Path) -> None:
    file = a_pipeline(tmp_path)
    pipeline = open_pipeline(str(file))
    (tmp_path / "work.md").write_text("Do it well")
    assert hash_now(file, pipeline) == hash_of_file(file) != pipeline.content_hash
    (tmp_path / "work.md").unlink()
    assert hash_now(file, pipeline) == hash_of_file(file) != pipeline.content_hash
