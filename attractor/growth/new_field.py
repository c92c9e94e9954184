"""A new field of an entity, as a morph or a specification document gives it."""

from pydantic import BaseModel, ConfigDict

from attractor.growth.conversion import FieldType
from attractor.growth.morph import new_node, targets_of
from attractor.growth.specification.graph import Relation, SpecGraph, SpecNode, slug


class NewField(BaseModel):
    """A field of a new entity, as in a specification document."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    type: FieldType = "text"
    key: bool = False
    pii: bool = False
    required: bool = False
    choices: tuple[str, ...] = ()
    unit: str = ""
    refers_to: str = ""
    shown: str = ""

    def node(self, graph: SpecGraph, entity: str) -> SpecNode:
        """Return the node of the field; a plain text field has no more than its name."""
        flags = {one: "true" for one in ("key", "pii", "required") if getattr(self, one)}
        type_ = self.type if self.type != "text" else ""
        id_ = f"{entity}.{slug(self.name)}"
        texts = {"type": type_, "unit": self.unit, "shown": self.shown}
        node = new_node(graph, self.name, "field", id_=id_, **texts, **flags)
        if self.choices:
            node = node.with_fields(choices=list(self.choices))
        return node.with_targets(Relation.REFERS_TO, self.referred(graph))

    def referred(self, graph: SpecGraph) -> list[str]:
        """Return the entity of which the values are ids, if there is one."""
        return targets_of(graph, [self.refers_to] if self.refers_to else [], "field", "refers_to")
