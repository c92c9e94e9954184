"""Adds a role, or gives an existing one other rights."""

from attractor.growth.morph import Morph, Risk, Touched, add_child, field_slot, new_node, targets_of
from attractor.growth.specification.graph import Relation, SpecGraph, SpecNode, free_id
from attractor.growth.specification.rights import RIGHTS, require_no_key


class AddRole(Morph):
    """Adds a role, or gives an existing one other rights; only a name may see all, do nothing."""

    organ = "surfaces"
    risk = Risk.HIGH

    name: str
    sees: tuple[str, ...] = ()
    does: tuple[str, ...] = ()
    edits: tuple[str, ...] = ()

    def touched(self, graph: SpecGraph) -> Touched:
        """Read what the role may see, do and edit, and write the role."""
        role = self._existing(graph)
        written = field_slot("rights", role.id) if role else self._new_id(graph)
        used = (id_ for ids in self._rights(graph).values() for id_ in ids)
        return Touched(frozenset(used), frozenset({written}))

    def apply(self, graph: SpecGraph) -> SpecGraph:
        """Return the changed graph."""
        old = self._existing(graph)
        role = old or new_node(graph, self.name, "role", id_=self._new_id(graph))
        for relation, ids in self._rights(graph).items():
            role = role.with_targets(relation, ids)
        require_no_key(graph, role)
        return graph.replace(role) if old else add_child(graph, "interface", role)

    def _existing(self, graph: SpecGraph) -> SpecNode | None:
        roles = [*graph.of_kind("role")]
        named = [one for one in roles if one.name == self.name]
        return next(iter(named or [one for one in roles if one.id == self.name]), None)

    def _new_id(self, graph: SpecGraph) -> str:
        # People are often an entity as well.
        return free_id(self.name, "role", lambda id_: id_ in graph)

    def _rights(self, graph: SpecGraph) -> dict[Relation, list[str]]:
        return {
            relation: targets_of(graph, getattr(self, relation), "role", relation)
            for relation in RIGHTS
        }


part = AddRole
