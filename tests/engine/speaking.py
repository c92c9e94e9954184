"""Stages that record the context they inherit, and continue the conversations of threads."""

from dataclasses import dataclass, field
from pathlib import Path

from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Stage
from attractor.language.graph.graph import Graph
from tests.engine.runs import Script, Workplace


@dataclass(frozen=True)
class AttemptContext:
    """Context that one attempt inherited."""

    stage: str
    fidelity: str
    thread: str
    conversation: tuple[str, ...]
    preamble: str


@dataclass
class Speakers:
    """Stages that record their inherited context, and add their id to the conversation."""

    heard: list[AttemptContext] = field(default_factory=list[AttemptContext])

    async def __call__(self, stage: Stage) -> Outcome:
        carried = stage.inherited
        before = carried.thread.recall() if carried.thread else None
        said = tuple(map(str, before)) if isinstance(before, tuple) else ()  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        name = carried.thread.name if carried.thread else ""
        self.heard.append(
            AttemptContext(stage.id, carried.fidelity.value, name, said, carried.preamble)
        )
        if carried.thread:
            carried.thread.keep((*said, stage.id))
        return success(f"{stage.node.id} is done")

    def of(self, node: str) -> AttemptContext:
        """Return the context of the last attempt at a node."""
        return [one for one in self.heard if one.stage.startswith(f"{node}@")][-1]

    @property
    def threads(self) -> list[tuple[str, str]]:
        return [(one.stage.partition("@")[0], one.thread) for one in self.heard]


def place_of(
    root: Path, graph: Graph, speakers: Speakers, script: Script | None = None
) -> Workplace:
    """Return a run in which all stages are speakers, except the stages in the script."""
    found = dict.fromkeys(graph.nodes, speakers)
    return Workplace(root / "run", graph, {**found, **(script or {})})
