"""What a stage can come to, and which conditions could hold then."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

from attractor.language.conditions import (
    ALWAYS,
    OUTCOME_KEYS,
    Comparison,
    Condition,
    Unreadable,
)
from attractor.language.graph import Graph, Node

SUCCESS, PARTIAL_SUCCESS, FAIL = "success", "partial_success", "fail"

ANOTHER = "\N{BLACK SQUARE}"
"""Stands for every value that no condition names."""

Values = Mapping[str, str]
"""What each key holds that conditions ask for."""

_MOST = 500
_ENDS = {
    "start": (SUCCESS,),
    "exit": (SUCCESS,),
    "tool": (SUCCESS, FAIL),
    "wait": (SUCCESS, FAIL),
    "codergen": (SUCCESS, PARTIAL_SUCCESS, FAIL),
    "conditional": (SUCCESS, PARTIAL_SUCCESS, FAIL),
}
_ANY_END = (SUCCESS, PARTIAL_SUCCESS, FAIL, "skipped")


def possible_outcomes(graph: Graph, node: Node) -> Sequence[str]:
    """Return the outcomes that edges out of a node can meet.

    A conditional hands on the last stage's (ruling R1). A wish to try again is none of them: out of
    attempts it is a failure, or a partial success where `allow_partial` says so.
    """
    if node.type == "wait.human":
        is_partial = node.attributes.flag("allow_partial")
        return (SUCCESS, PARTIAL_SUCCESS, FAIL) if is_partial else (SUCCESS, FAIL)
    is_end = any(node.id == one.id for one in (*graph.starts, *graph.exits))
    return _ENDS["start"] if is_end else _ENDS.get(node.type, _ANY_END)


def assignments(
    conditions: Sequence[Condition], outcomes: Sequence[str]
) -> Sequence[Values] | None:
    """Return all that conditions tell apart, each value once; None where that is not known."""
    values: dict[str, dict[str, None]] = {}
    for clause in _leaves(conditions):
        if not isinstance(clause, Comparison):
            return None
        values.setdefault(clause.key, {})[clause.literal] = None
    tried = [
        tuple(outcomes) if key in OUTCOME_KEYS else (ANOTHER, *known)
        for key, known in values.items()
    ]
    found = list(islice(product(*tried), _MOST + 1))
    if len(found) > _MOST:
        return None
    return [dict(zip(values, row, strict=True)) for row in found]


def could_hold(condition: Condition, outcomes: Sequence[str]) -> bool:
    """Tell whether a condition can hold for one of some outcomes; in doubt it can."""
    found = assignments([condition], outcomes)
    return found is None or any(condition.holds(one.__getitem__) for one in found)


def words_for(values: Values) -> str:
    """Say what keys hold: `outcome is success and context.size is something else`."""
    told = [
        f"{key} is {'something else' if value == ANOTHER else value or 'empty'}"
        for key, value in values.items()
    ]
    return " and ".join(told)


def _leaves(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """Yield the conditions that hold no others."""
    waiting: list[Any] = [one for one in conditions if one is not ALWAYS]
    # What is added while it goes over them is gone over too.
    for condition in waiting:
        inside = getattr(condition, "clauses", None) or getattr(condition, "clause", None)
        if inside is None or isinstance(condition, Unreadable):
            yield condition
        else:
            waiting += inside if isinstance(inside, tuple) else [inside]
