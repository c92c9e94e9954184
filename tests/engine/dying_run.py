"""Runs a graph with loops and retries, slowly, so that it can be killed at any moment."""

import asyncio
import sys
from pathlib import Path

from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.seams import Stage
from attractor.language.graph.graph import Graph
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import FAIL, RETRY, Workplace


def looping_graph() -> Graph:
    """Return a graph that loops through a conditional, retries, and has a redirecting gate."""
    nodes = [
        start(),
        node("plan", max_retries=2, retry_policy="none"),
        node("work"),
        node("check"),
        node("judge", "diamond"),
        node("gate", goal_gate=True, retry_target="work"),
        *(node(f"n{number}") for number in range(12)),
        end(),
    ]
    numbered = [f"n{number}" for number in range(12)]
    ways = [
        *chain("start", "plan", "work", "check", "judge"),
        edge("judge", "work", "outcome!=success"),
        edge("judge", "n0", "outcome=success"),
        *chain(*numbered, "gate"),
        edge("gate", "exit", "outcome=success"),
        edge("gate", "exit", "outcome=fail"),
    ]
    return graph(nodes, ways, goal="survive")


async def _plan(stage: Stage) -> Outcome:
    return RETRY if stage.attempt < 3 else success()


async def _check(stage: Stage) -> Outcome:
    return FAIL if stage.visit % 3 else success()


async def _gate(stage: Stage) -> Outcome:
    return FAIL if stage.visit < 2 else success()


class Slow:
    """Says what the graph needs, counts in the context, and takes some time."""

    def __init__(self, pause: float) -> None:
        self._pause = pause

    async def execute(self, stage: Stage) -> Outcome:
        await asyncio.sleep(self._pause)
        stage.files.write("response.md", f"{stage.node.id} {stage.visit}.{stage.attempt}")
        special = {"plan": _plan, "check": _check, "gate": _gate}
        made = await special[stage.node.id](stage) if stage.node.id in special else success()
        count = stage.context.get(f"count.{stage.node.id}")
        stage.context.set(f"count.{stage.node.id}", 1 + (count if isinstance(count, int) else 0))
        return made


def workplace(root: Path, pause: float = 0.0) -> Workplace:
    """Return the place in which the graph is run."""
    place = Workplace(root, looping_graph())
    for type_ in ("codergen", "conditional"):
        place.handlers[type_] = Slow(pause)
    return place


def main(root: str, milliseconds: str) -> None:
    """Run it, or go on with it, to the end; each stage takes so long."""
    result = workplace(Path(root), int(milliseconds) / 1000).run()
    sys.exit(0 if result.outcome is StageStatus.SUCCESS else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
