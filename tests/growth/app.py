"""The repository of an app with its specification and its control plane."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attractor.growth.control_plane import ControlPlane
from attractor.growth.development import DEVELOPMENT
from attractor.growth.morph import morph_registry
from attractor.growth.specification.files import write_spec
from attractor.growth.specification.graph import SpecGraph
from tests.growth.seed import farm
from tests.pipeline.projects import begin_repository, git, open_project

LINE = "No harvest from PHI locked blocks"

DEVELOPMENT_TEXT = f"""
[organs.app]
kind = "workflows"
nodes = ["workflows"]

[[plates]]
organ = "app"
accepts = {sorted(morph_registry())}
""".replace("'", '"')
"""A developmental specification with one plate that accepts every type of morph."""

GATED = f"""{DEVELOPMENT_TEXT}
[[identity]]
line = "{LINE}"
path_to = "harvest"
gate = "phi_gate"
"""
"""The same specification with a line of the envelope that a gate enforces."""

PROPOSAL: Mapping[str, list[Any]] = json.loads(
    Path(__file__).with_name("planner_output.json").read_text()
)
"""The planner's output in the form of the seed."""


def make_app(
    folder: Path, graph: SpecGraph | None = None, *, development: str = DEVELOPMENT_TEXT
) -> ControlPlane:
    """Make the repository of an app (default: the farm) with one commit."""
    folder.mkdir(parents=True)
    begin_repository(folder)
    write_spec(graph or farm(), folder)
    (folder / DEVELOPMENT).write_text(development)
    (folder / ".gitignore").write_text("runs/\n")
    (folder / "attractor.toml").write_text("")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Begin")
    return ControlPlane(open_project(folder))
