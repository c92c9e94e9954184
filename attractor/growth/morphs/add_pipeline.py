"""Adds a pipeline with steps, or one to which `add_step` adds them."""

from attractor.growth.morph import Level, Morph, Risk, Touched, add_child, insert_step, new_node
from attractor.growth.specification.graph import SpecGraph, slug


class AddPipeline(Morph):
    """Adds a pipeline with steps, or one to which `add_step` adds them."""

    organ = "workflows"
    level = Level.POLICY
    risk = Risk.MEDIUM

    sentence = "Does something new: {name}, in the steps {steps}."

    name: str
    steps: tuple[str, ...] = ()

    def in_words(self) -> str:
        """Return the change in words."""
        return super().in_words() if self.steps else f"Does something new: “{self.name}”."

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        return Touched(writes=frozenset(slug(step) for step in (self.name, *self.steps)))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        pipeline = new_node(graph, self.name, "pipeline")
        graph = add_child(graph, "workflows", pipeline)
        after = pipeline.id
        for words in self.steps:
            step = new_node(graph, words, "step")
            graph = insert_step(graph, step, after)
            after = step.id
        return graph


part = AddPipeline
