"""The changes of an actor: paths in the folder of its dimension, and those outside of it."""

import asyncio
import os
from pathlib import Path

from attractor.server.html.actor_view import read_reviewed
from attractor.server.service import Service
from attractor.worlds.dimensions import add_dimension
from attractor.worlds.messages import Sender, SenderKind
from attractor.worlds.remarks import Remarks
from tests.pipeline.projects import make_project


def test_paths_of_a_project_below_the_top_of_its_repository(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", **{"app/attractor.toml": ""}) / "app"
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    variables["ATTRACTOR_STATE_DIR"] = str(tmp_path / "state")
    service = Service.of(project, variables)
    made = asyncio.run(add_dimension(service.opened, "try"))
    (Path(made.folder) / "a.py").write_text("a = 1\nb = 2\n")
    (Path(made.top) / "readme.txt").write_text("changed\n")
    ann = Sender(SenderKind.PERSON, "ann")
    remarks = Remarks(service.opened, made)
    first, second = (remarks.add("a.py", line, "why?", ann) for line in (1, 2))
    (Path(made.folder) / "a.py").write_text("a = 1\nb = 3\n")
    review = read_reviewed(service, "try")
    assert review
    paths = [one.file.path for one in review.changes.files]
    assert paths == ["app/a.py", "readme.txt"]
    assert [review.path_of(one) for one in paths] == ["a.py", ""]
    assert review.remarks_at("a.py") == {1: [first]}
    assert [one.id for one in review.remarks if one.is_stale] == [second.id]
    (Path(made.top) / ".git").unlink()
    damaged = read_reviewed(service, "try")
    assert damaged
    assert damaged.changes.refused
    assert len(damaged.remarks) == 2
    assert [read_reviewed(service, name) for name in ("", "other")] == [None, None]
