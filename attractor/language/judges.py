"""Finds the conditionals that judge nothing: they hand a failure on as if nothing had happened."""

from collections.abc import Set

from attractor.language.graph import Graph

CONDITIONAL = "conditional"


def unasked_conditionals(graph: Graph) -> Set[str]:
    """Return the conditionals behind which a stage comes before anybody has asked for the outcome.

    One with a single way out and no condition on it asks nothing; what it leads to may.
    """
    ways = {node.id: graph.outgoing(node.id) for node in graph.of_type(CONDITIONAL)}
    onwards = {
        id_: edges[0].target
        for id_, edges in ways.items()
        if len(edges) == 1 and not edges[0].is_conditional
    }
    is_unasked: dict[str, bool] = {}
    for at in onwards:
        passed: list[str] = []
        while at in onwards and at not in is_unasked:
            # Unless the way comes back to it: round and round nobody asks either.
            is_unasked[at] = True
            passed.append(at)
            at = onwards[at]
        is_unasked.update(dict.fromkeys(passed, is_unasked.get(at, at not in ways)))
    return {id_ for id_, one in is_unasked.items() if one}
