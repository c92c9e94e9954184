"""Runs a graph with branches of every sort, slowly, so that it can be killed at any moment."""

import asyncio
import sys
from pathlib import Path

from attractor.engine.outcome import Outcome, StageStatus, Usage
from attractor.engine.seams import Stage
from attractor.language.graph.graph import Graph
from tests.engine.forked import forked
from tests.engine.graphs import chain, edge, node
from tests.engine.runs import Workplace


def branching_graph() -> Graph:
    """Return branches with loops, retries, shared nodes and branches of their own, and a loop."""
    nodes = [
        node("again", max_retries=2, retry_policy="none"),
        node("judge", "diamond"),
        node("in", "component", max_parallel=2),
        node("meet", "tripleoctagon"),
    ]
    ways = [
        *chain("fan", "loop", "judge"),
        edge("judge", "loop", "outcome!=success"),
        edge("judge", "shared", "outcome=success"),
        *chain("fan", "in", "x", "x2", "meet", "after", "join"),
        *chain("in", "y", "meet"),
        *chain("in", "meet"),
        edge("join", "check", weight=1),
        edge("check", "fan", "outcome=fail"),
        edge("check", "exit", "outcome=success"),
    ]
    return forked(
        "again shared",
        "broken",
        "n0 n1 n2 n3",
        nodes=nodes,
        edges=ways,
        fan={"max_parallel": 4},
        goal="survive",
    )


def _status(stage: Stage) -> StageStatus:
    match stage.node.id:
        case "again":
            return StageStatus.RETRY if stage.attempt < 3 else StageStatus.SUCCESS
        case "loop":
            return StageStatus.FAIL if stage.visit % 3 else StageStatus.SUCCESS
        case "check":
            return StageStatus.FAIL if stage.visit < 2 else StageStatus.SUCCESS
        case "broken" | "y":
            return StageStatus.FAIL
        case _:
            return StageStatus.SUCCESS


class Slow:
    """Says what the graph needs, counts in the context, and takes some time."""

    def __init__(self, pause: float) -> None:
        self._pause = pause

    async def execute(self, stage: Stage) -> Outcome:
        await asyncio.sleep(self._pause)
        stage.files.write("response.md", f"{stage.node.id} {stage.visit}.{stage.attempt}")
        count = stage.context.get(f"count.{stage.node.id}")
        stage.context.set(f"count.{stage.node.id}", 1 + (count if isinstance(count, int) else 0))
        return Outcome(_status(stage), failure_reason="so it is", usage=Usage(1))


def workplace(root: Path, pause: float = 0.0) -> Workplace:
    """Return the place in which the graph is run."""
    place = Workplace(root, branching_graph())
    place.handlers["codergen"] = Slow(pause)
    return place


def main(root: str, milliseconds: str) -> None:
    """Run it, or go on with it, to the end; each stage takes so long."""
    result = workplace(Path(root), int(milliseconds) / 1000).run()
    sys.exit(0 if result.outcome is StageStatus.SUCCESS else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
