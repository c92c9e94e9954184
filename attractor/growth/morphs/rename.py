"""Gives a node other words; its id stays."""

from attractor.growth.errors import InvalidMorph
from attractor.growth.morph import Morph, Touched, field_slot
from attractor.growth.specification.graph import SpecGraph


class Rename(Morph):
    """Gives a node other words; its id stays."""

    organ = "reasoners"
    sentence = "Calls {node} {name} from now on."

    node: str
    name: str
    shown: str = ""
    """The words in the app, if they are others; of an entity or a field."""

    def touched(self, graph: SpecGraph) -> Touched:
        """Read and write these nodes and slots."""
        return Touched(writes=frozenset({field_slot("name", graph.find(self.node).id)}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        node = graph.find(self.node)
        if "name" not in node.fields:
            raise InvalidMorph(f"rename: {node.id} has no name", hint="name another node")
        if not self.name.strip():
            raise InvalidMorph(f"rename: blank name for {node.id}", hint="give it a name")
        if self.shown and node.kind not in ("entity", "field"):
            raise InvalidMorph(f"rename: {node.id} is shown by its name", hint="leave out `shown`")
        return graph.replace(node.with_fields(name=self.name, shown=self.shown or None))


part = Rename
