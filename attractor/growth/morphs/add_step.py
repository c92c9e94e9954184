"""Adds a step to a pipeline."""

from collections.abc import Iterator

from attractor.growth.errors import InvalidMorph
from attractor.growth.morph import (
    Morph,
    Risk,
    Touched,
    after_slot,
    insert_step,
    new_node,
    targets_of,
)
from attractor.growth.specification.graph import Relation, SpecGraph, slug


class AddStep(Morph):
    """Adds a step to a pipeline."""

    organ = "workflows"
    risk = Risk.MEDIUM
    sentence = "Adds the step {name}."

    name: str
    pipeline: str = ""
    after: str = ""
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        after = self._place(graph)
        data = [id_ for _, ids in self._data(graph) for id_ in ids]
        parent = graph.parents[after] if graph[after].kind == "step" else after
        return Touched(
            frozenset({after, parent, *data}), frozenset({slug(self.name), after_slot(after)})
        )

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        step = new_node(graph, self.name, "step")
        for relation, ids in self._data(graph):
            step = step.with_targets(relation, ids)
        return insert_step(graph, step, self._place(graph))

    def _data(self, graph: SpecGraph) -> Iterator[tuple[Relation, list[str]]]:
        for relation, words in ((Relation.READS, self.reads), (Relation.WRITES, self.writes)):
            yield relation, targets_of(graph, words, "step", relation)

    def _place(self, graph: SpecGraph) -> str:
        """Return the step before (default: the last one of the pipeline), or an empty pipeline."""
        if self.after:
            return graph.find(self.after, "step").id
        if not self.pipeline:
            raise InvalidMorph("add_step: missing place", hint="name `after` or `pipeline`")
        pipeline = graph.find(self.pipeline, "pipeline").id
        return next(reversed(graph.children_ids(pipeline)), pipeline)


part = AddStep
