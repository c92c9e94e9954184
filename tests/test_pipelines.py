"""The example pipelines are valid, in the one layout, drawn and told of."""

from pathlib import Path

import pytest

from attractor.language import format, prepare
from attractor.language.draw import drawing

FOLDER = Path(__file__).parent.parent / "pipelines"
PIPELINES = sorted(FOLDER.glob("*.dot"))


def test_there_are_ten() -> None:
    assert len(PIPELINES) >= 10


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.stem)
def test_a_pipeline_is_without_fault(file: Path) -> None:
    prepared = prepare(file.read_text(), file=str(file))
    assert prepared.is_sound
    assert [one for one in prepared.diagnostics if one.severity != "info"] == []


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.stem)
def test_a_pipeline_is_in_the_one_layout(file: Path) -> None:
    assert format(file.read_text()) == file.read_text()


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.stem)
def test_a_pipeline_can_be_drawn(file: Path) -> None:
    graph = prepare(file.read_text()).graph
    assert graph is not None
    assert all(f'id="node-{id_}"' in drawing(graph) for id_ in graph.nodes)


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.stem)
def test_a_pipeline_has_its_name_and_its_line(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("// ")
    assert f"digraph {file.stem} {{" in text
    assert f"[{file.name}]({file.name})" in (FOLDER / "README.md").read_text()
