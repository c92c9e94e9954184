"""Builds graphs with forks, and reads the results of their branches."""

from collections.abc import Mapping, Sequence

from attractor.base.json import Json
from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.seams import Stage
from attractor.engine.state.progress import Progress
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import Workplace
from tests.patience import until


def forked(
    *branches: str,
    nodes: Sequence[Node] = (),
    edges: Sequence[Edge] = (),
    fan: Mapping[str, Plain] | None = None,
    join: Mapping[str, Plain] | None = None,
    **attributes: Plain,
) -> Graph:
    """Return a graph with one fork; each branch is a line of node ids, perhaps empty."""
    ends = [start(), end()]
    forks = [node("fan", "component", **(fan or {})), node("join", "tripleoctagon", **(join or {}))]
    lines = [one for branch in branches for one in chain("fan", *branch.split(), "join")]
    around = [edge("start", "fan"), *lines, edge("join", "exit")]
    return graph([*ends, *forks, *nodes], [*around, *edges], **attributes)


async def until_there_is(stage: Stage, pattern: str) -> None:
    """Wait for a file that another branch writes into the run directory."""
    await until(lambda: list(stage.logs_root.glob(pattern)))


def wrote(**updates: Json) -> Outcome:
    """Return a success with context updates."""
    return Outcome(StageStatus.SUCCESS, context_updates=updates)


def results(place: Workplace | Progress) -> list[dict[str, Json]]:
    """Return the results of the last fork from the context of a run."""
    context = place.context if isinstance(place, Progress) else place.json("checkpoint.json")
    found = context.get("parallel.results", context.get("context"))
    if isinstance(found, dict):
        found = found["parallel.results"]
    assert isinstance(found, list)
    return [one for one in found if isinstance(one, dict)]


def words(place: Workplace | Progress) -> list[str]:
    """Return the id and outcome of each branch, in order."""
    return [f"{one['id']} {one['outcome']}" for one in results(place)]


def branch_steps(place: Workplace) -> dict[str, list[str]]:
    """Return the saved stages of each branch by branch key, as recorded in the journal."""
    steps: dict[str, list[str]] = {}
    for one in place.events("CheckpointSaved"):
        if one.branch:
            steps.setdefault(one.branch, []).append(str(one.data["node_id"]))
    return steps
