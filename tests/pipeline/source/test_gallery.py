"""The gallery consists of shipped pipelines whose only needed input is a goal."""

import tomllib
from pathlib import Path

import pytest

from attractor import __version__
from attractor.base.errors import UnknownName
from attractor.language.declarations.inputs import declared_inputs
from attractor.language.reading import parse_file
from attractor.pipeline.source.files import SHIPPED
from attractor.pipeline.source.gallery import (
    GALLERY,
    find_in_gallery,
    gallery_version,
    open_gallery_pipeline,
)
from tests.examples import ROOT
from tests.tables import table


@table("name", GALLERY)
def test_gallery_pipeline_needs_a_goal_only(name: str) -> None:
    pipeline = open_gallery_pipeline(f"gallery:{name}")
    assert pipeline == open_gallery_pipeline(name)
    graph = parse_file(pipeline.file)
    assert graph.goal
    assert all(declared.default for declared in declared_inputs(graph))
    assert 30 < len(pipeline.purpose) < 110
    assert pipeline.purpose.endswith(".")


def test_wheel_contains_the_shipped_pipelines_and_no_other_ones() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    files = map(Path, wheel["targets"]["wheel"]["only-include"])
    packed = {file.stem for file in files if file.suffix == ".dot"}
    assert packed == {*GALLERY, *SHIPPED}
    assert not {*GALLERY} & {*SHIPPED}
    assert wheel["targets"]["wheel"]["sources"]["pipelines"] == "attractor/pipelines"


def test_unknown_name_has_its_close_match() -> None:
    with pytest.raises(UnknownName, match="unknown pipeline of the gallery 'bugfix'") as refused:
        find_in_gallery("gallery:bugfix")
    assert refused.value.hint == "did you mean bug_fix?"


def test_only_files_of_the_gallery_have_its_version(tmp_path: Path) -> None:
    file = find_in_gallery("feature")
    assert gallery_version(file) == f"feature@{__version__}"
    for other in (tmp_path / file.name, file.with_name("crew.dot"), file.with_suffix(".md")):
        assert not gallery_version(other)
