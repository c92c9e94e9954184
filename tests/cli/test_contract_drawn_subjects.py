"""The contract of `Drawable`: subjects that can be drawn repeatedly."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from attractor.cli.commands.render import Drawable, DrawablePipeline, DrawableRun
from attractor.language.diagnostics import ParseError
from attractor.records.request import RunRequest
from tests.pipeline.projects import LINEAR, make_project, open_project, start

Make = Callable[[Path], Drawable]


def a_pipeline(folder: Path) -> Drawable:
    file = folder / "pipeline.dot"
    file.write_text(LINEAR)
    return DrawablePipeline(str(file))


def a_run(folder: Path) -> Drawable:
    project = make_project(folder / "project")
    options = RunRequest(
        file=project / "pipeline.dot",
        backend="simulate",
        workspace="none",
        sandbox="none",
        interviewer="auto_approve",
    )
    result = asyncio.run(start(options, open_project(project)))
    return DrawableRun(result.directory)


@pytest.fixture(params=[a_pipeline, a_run], ids=["pipeline", "run"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Drawable:
    return request.param(tmp_path)


def test_subject_names_existing_files(subject: Drawable) -> None:
    subject.read()
    files = list(subject.files())
    assert files
    assert all(Path(file).is_file() for file in files)


def test_subject_is_read_in_its_current_state(subject: Drawable) -> None:
    assert list(subject.read().graph.nodes) == ["start", "exit", "plan", "make"]
    assert subject.read().picture == subject.read().picture


def test_invalid_subject_fails_and_recovers(subject: Drawable) -> None:
    file = next(Path(one) for one in subject.files() if one.endswith(".dot"))
    whole = file.read_text()
    file.write_text("digraph {")
    with pytest.raises(ParseError):
        subject.read()
    file.write_text(whole)
    assert subject.read().graph.name == "linear"
