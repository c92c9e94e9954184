"""Says how two pipelines differ, for who does not see a drawing of it."""

from collections.abc import Sequence

from attractor.language.diffing.differences import Difference
from attractor.language.diffing.telling import NO_CHANGE, edge_name
from attractor.language.drawing.captions import listed
from attractor.language.report import counted


def describe(difference: Difference) -> str:
    """Return how many of what is new, gone or changed, and which, a line for each."""
    told = (_told(noun, names, what) for noun, names, what in _kinds(difference))
    return "\n".join(filter(None, told)) or f"{NO_CHANGE.capitalize()}."


def _kinds(one: Difference) -> Sequence[tuple[str, Sequence[str], str]]:
    changed = [change.after.id for change in one.changed_nodes]
    moved = [move.node for move in one.moved_nodes if move.node not in set(changed)]
    about = [*(["name"] if one.name else []), *(change.key for change in one.attributes)]
    subgraphs = [*one.added_subgraphs, *one.removed_subgraphs]
    subgraphs += [change.id for change in one.changed_subgraphs]
    return (
        ("new node", [node.id for node in one.added_nodes], ""),
        ("node", [node.id for node in one.removed_nodes], "gone"),
        ("node", [*changed, *moved], "changed"),
        ("node", one.reordered, "with the ways out in another order"),
        ("new edge", [edge_name(edge) for edge in one.added_edges], ""),
        ("edge", [edge_name(edge) for edge in one.removed_edges], "gone"),
        ("edge", [edge_name(change.after) for change in one.changed_edges], "changed"),
        ("subgraph", subgraphs, "new, gone or changed"),
        ("attribute", about, "of the whole changed"),
    )


def _told(noun: str, names: Sequence[str], what: str) -> str:
    many = f"{counted(len(names), noun)} {what}".strip()
    return f"{many}: {listed([name or '(without an id)' for name in names])}." if names else ""
