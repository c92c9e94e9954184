"""An independent check of identity, which reads the files of a specification as plain JSON.

It shares no code with the real check: it lists all paths, but the real one searches backwards.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any

Nodes = Mapping[str, Mapping[str, Any]]
STEPS = ("step", "trigger")
LINES = ("safety_envelope", "prohibited_changes")


def plain(texts: Iterable[str]) -> Nodes:
    """Return the nodes of the files of a specification."""
    return {one["id"]: one for one in map(json.loads, texts)}


def keeps_identity(
    before: Nodes,
    after: Nodes,
    guarded: Iterable[tuple[str, str]],
    frozen: Iterable[str] = (),
    forbidden: Iterable[tuple[str, str, str]] = (),
) -> bool:
    """Return whether the root, the guardrails for its lines and all gates are not weakened."""
    if before["domain"]["fields"] != after["domain"]["fields"]:
        return False
    lines = {line for key in LINES for line in before["domain"]["fields"].get(key, ())}
    for id_, node in before.items():
        if node["kind"] == "guardrail" and node["fields"]["name"] in lines:
            if id_ not in after or after[id_]["fields"] != node["fields"]:
                return False
            if not set(node["edges"].get("guards", ())) <= set(
                after[id_]["edges"].get("guards", ())
            ):
                return False
    if any(json.dumps(before.get(one)) != json.dumps(after.get(one)) for one in frozen):
        return False
    if any(one in after and to in _targets(after, one, name) for one, name, to in forbidden):
        return False
    return not any(_is_open(before, after, target, gate) for target, gate in guarded)


def _is_open(before: Nodes, after: Nodes, target: str, gate: str) -> bool:
    if target not in after or gate not in after:
        return True
    carried = {
        entity
        for path in _paths(before, _ends(before, target), frozenset())
        for step in path
        for entity in before[step]["edges"].get("writes", ())
    }
    return any(gate not in path for path in _paths(after, _ends(after, target), carried))


def _ends(nodes: Nodes, target: str) -> set[str]:
    if nodes[target]["kind"] == "entity":
        made = {target}
        ends = set[str]()
    else:
        made = set(nodes[target]["edges"].get("writes", ()))
        ends = {target}
    return ends | {
        one
        for one, node in nodes.items()
        if node["kind"] in STEPS and made & set(node["edges"].get("writes", ()))
    }


def _paths(nodes: Nodes, ends: set[str], carried: Iterable[str]) -> Iterator[list[str]]:
    """Yield every path without a repeated step, from first steps to one of the ends."""
    steps = [one for one, node in nodes.items() if node["kind"] in STEPS]
    follows = {one: set(_targets(nodes, one, "precedes")) for one in steps}
    firsts = set(steps).difference(*follows.values())
    home = {step: one for one in nodes for step in _targets(nodes, one, "contains")}
    for one, other in product(steps, steps):
        shared = _targets(nodes, one, "writes") & _targets(nodes, other, "reads") & set(carried)
        if shared and home[one] != home[other]:
            follows[one].add(other)

    def walk(path: list[str]) -> Iterator[list[str]]:
        if path[-1] in ends:
            yield path
        for later in follows[path[-1]]:
            if later not in path:
                yield from walk([*path, later])

    for first in firsts:
        yield from walk([first])


def _targets(nodes: Nodes, id_: str, relation: str) -> set[str]:
    return set(nodes[id_]["edges"].get(relation, ()))
