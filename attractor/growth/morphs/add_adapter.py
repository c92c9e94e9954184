"""Adds a service by its operations, or gives operations to a source that has none."""

from pydantic import BaseModel, ConfigDict

from attractor.growth.errors import InvalidMorph
from attractor.growth.morph import Morph, Risk, Touched, add_child, new_node
from attractor.growth.specification.graph import Relation, SpecGraph, SpecNode, slug
from attractor.growth.specification.graph_check import check_adapter


class NewOperation(BaseModel):
    """An operation of a service, as in a specification document."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    method: str
    path: str
    input: str = ""
    output: str = ""

    def node(self, graph: SpecGraph, source: str) -> SpecNode:
        """Return the node of the operation."""
        id_ = f"{source}.{slug(self.name) or 'operation'}"
        fields = self.model_dump(exclude={"name"})
        return new_node(graph, self.name, "operation", id_=id_, **fields)


class AddAdapter(Morph):
    """Adds a service by its operations, or gives operations to a source that has none."""

    organ = "ingestors"
    risk = Risk.HIGH

    name: str
    operations: tuple[NewOperation, ...]

    @property
    def id(self) -> str:
        """The id of the source."""
        return slug(self.name) or "source"

    def in_words(self) -> str:
        """Return the change in words."""
        told = [one.name for one in self.operations if one.method != "GET"]
        tells = f", and tells it something: {', '.join(told)}" if told else ", and only reads it"
        return f"Uses a new service on the web: “{self.name}”{tells}."

    def touched(self, graph: SpecGraph) -> Touched:
        """Write the source."""
        return Touched(writes=frozenset({self.id}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        id_ = self.id
        if not self.operations:
            raise InvalidMorph(f"{self.name!r} has no operations", hint="use add_source")
        if id_ not in graph or graph[id_].kind != "source" or graph[id_].contained:
            graph = add_child(graph, "evidence_policy", new_node(graph, self.name, "source"))
        nodes = [one.node(graph, id_) for one in self.operations]
        ids = [one.id for one in nodes]
        if len({*ids}) < len(ids):
            raise InvalidMorph(f"{self.name!r} has two operations with one name")
        source = graph[id_].with_targets(Relation.CONTAINS, ids)
        graph = graph.replace(source, *nodes)
        check_adapter(graph, source)
        return graph


part = AddAdapter
