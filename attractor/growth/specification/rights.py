"""What a role may see, do and edit. A role without any of these may see everything."""

from attractor.growth.specification.graph import Relation, SpecNode

RIGHTS = (Relation.SEES, Relation.DOES, Relation.EDITS)


def sees_all(role: SpecNode) -> bool:
    """Return whether a role is only a name: it may see everything, and do nothing."""
    return role.kind == "role" and not any(role.targets(relation) for relation in RIGHTS)


def may_see(role: SpecNode, id_: str) -> bool:
    """Return whether a role may see a node; what it edits, it sees."""
    seen = (*role.targets(Relation.SEES), *role.targets(Relation.EDITS))
    return sees_all(role) or id_ in seen
