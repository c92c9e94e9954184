"""A run that waits for a person after a repeated stage and two branches; tests read its records."""

import asyncio
from pathlib import Path

from attractor.pipeline.host.run_host import RunHost
from tests.pipeline.projects import make_host, make_project, simulated, start

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


def make_viewed(folder: Path) -> tuple[Path, RunHost]:
    """Run the pipeline up to its gate; return the run directory and the host."""
    host = make_host(make_project(folder / "project", VIEWED))
    request = simulated(host.project, interviewer="park")
    return asyncio.run(start(request, host)).directory, host
