"""A run that waits for a person after a repeated stage and two branches; tests read its records."""

import asyncio
from pathlib import Path

from attractor.pipeline.project.project import Project
from tests.pipeline.projects import make_project, open_project, simulated, start

VIEWED = """
digraph viewed {
    graph [goal="See it", default_max_retry=0]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    plan  [prompt="Plan: $goal"]
    write [shape=parallelogram, tool_command="echo one > made.txt; printf '\\\\0' > b.bin"]
    fork  [shape=component]
    left  [shape=parallelogram, tool_command="echo left >> made.txt"]
    right [shape=parallelogram, tool_command="echo right; exit 3"]
    join  [shape=tripleoctagon]
    gate  [shape=hexagon, label="Good?"]
    start -> plan -> write -> fork
    fork -> left -> join
    fork -> right -> join
    join -> gate
    gate -> exit [label="[Y] Yes"]
    gate -> write [label="[N] No"]
}
"""


def make_viewed(folder: Path) -> tuple[Path, Project]:
    """Run the pipeline up to its gate; return the run directory and the project."""
    opened = open_project(make_project(folder / "project", VIEWED))
    request = simulated(opened.root, interviewer="park")
    return asyncio.run(start(request, opened)).directory, opened
