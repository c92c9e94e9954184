"""Dimensions that changed the same files, and work that declares the same files."""

import asyncio
from pathlib import Path

from attractor.config.settings import WorldsSettings
from attractor.factory.open_project import OpenProject
from attractor.workspaces.overlap import Overlap
from attractor.worlds.dimensions import add_dimension, list_dimensions
from attractor.worlds.touches import touches_of_file, warn_of_overlap
from tests.factory.flows import make_flow
from tests.pipeline.projects import LINEAR, adjusted
from tests.worlds.flows import actor_in


def test_list_of_dimensions_has_their_overlaps(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    for name, text in (("first", "hello\nfirst\n"), ("second", "hello\nsecond\n"), ("third", "")):
        dimension = asyncio.run(add_dimension(flow.opened, name))
        file = "readme.txt" if text else "other.txt"
        Path(dimension.folder, file).write_text(text)
    views = {one.dimension.name: one for one in asyncio.run(list_dimensions(flow.opened))}
    assert views["first"].overlaps == [Overlap("second", ["readme.txt"], ["readme.txt"])]
    assert views["second"].overlaps == [Overlap("first", ["readme.txt"], ["readme.txt"])]
    assert views["third"].overlaps == ()


def test_start_warns_of_work_that_declares_the_same_files(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    flow.opened.identity.create_id()
    actor_in(flow.opened, "ann", touches="src/api/**")
    actor_in(flow.opened, "bob", touches="docs/**")
    actor_in(flow.opened, "carl")
    file = flow.project / "api.dot"
    file.write_text(LINEAR.replace("graph [", 'graph [touches="src/**" '))
    touches = touches_of_file(file, flow.opened)
    said: list[str] = []
    opened = adjusted(flow.opened.project, tell=said.append)
    warn_of_overlap(OpenProject(opened), touches)
    assert said == ["Warning: actor ann may change the same files: src/**."]
    allowed = adjusted(opened, worlds=WorldsSettings(overlap="allow"))
    warn_of_overlap(OpenProject(allowed), touches)
    assert len(said) == 1
