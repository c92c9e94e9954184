"""Stages that talk: what each is told, and the conversations they take part in."""

from dataclasses import dataclass, field
from pathlib import Path

from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Stage
from attractor.language.graph.graph import Graph
from tests.engine.runs import Script, Workplace


@dataclass(frozen=True)
class Heard:
    """What one attempt was told."""

    stage: str
    fidelity: str
    thread: str
    conversation: tuple[str, ...]
    preamble: str


@dataclass
class Speakers:
    """Stages that remember what they were told, and say their own name in the conversation."""

    heard: list[Heard] = field(default_factory=list[Heard])

    async def __call__(self, stage: Stage) -> Outcome:
        carried = stage.inherited
        before = carried.thread.recall() if carried.thread else None
        said = tuple(map(str, before)) if isinstance(before, tuple) else ()  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        name = carried.thread.name if carried.thread else ""
        self.heard.append(Heard(stage.id, carried.fidelity.value, name, said, carried.preamble))
        if carried.thread:
            carried.thread.keep((*said, stage.id))
        return success(f"{stage.node.id} is done")

    def of(self, node: str) -> Heard:
        """Return what the last attempt at a node was told."""
        return [one for one in self.heard if one.stage.startswith(f"{node}@")][-1]

    @property
    def threads(self) -> list[tuple[str, str]]:
        return [(one.stage.partition("@")[0], one.thread) for one in self.heard]


def place_of(
    root: Path, graph: Graph, speakers: Speakers, script: Script | None = None
) -> Workplace:
    """Return a run whose stages speak, but for those that a script has something else for."""
    told = dict.fromkeys(graph.nodes, speakers)
    return Workplace(root / "run", graph, {**told, **(script or {})})
