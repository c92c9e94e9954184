"""Describes a specification for people: in one sentence, and as an outline."""

from collections import Counter
from collections.abc import Iterator

from attractor.engine.amounts import number_of
from attractor.growth.spec.document import SECTION
from attractor.growth.spec.graph import ROOT, Relation, SpecGraph, SpecNode
from attractor.growth.spec.node_kind import node_kinds
from attractor.growth.spec.store import StoredSpec

_SHOWN_ELSEWHERE = frozenset({"name", "purpose"})


def summary_of(spec: StoredSpec) -> str:
    """Return the purpose, the number of nodes of each kind, and the number of open questions."""
    kinds = Counter(one.kind for one in spec.graph.below(ROOT))
    parts = [_counted(kinds[kind], kind) for kind in kinds if kind not in (ROOT, SECTION)]
    if spec.clarifications:
        parts.append(number_of(len(spec.clarifications), "open question"))
    return f"{spec.graph.root.fields['purpose']}: {', '.join(parts) or 'nothing else yet'}"


def _counted(count: int, kind: str) -> str:
    words = kind if count == 1 else node_kinds()[kind].key
    return f"{count} {words.replace('_', ' ')}"


def outline_of(graph: SpecGraph) -> str:
    """Return all nodes as an indented list, without empty sections."""
    return "\n".join(_lines(graph, graph.root, 0))


def _lines(graph: SpecGraph, node: SpecNode, depth: int) -> Iterator[str]:
    if node.kind == SECTION and not (node.fields or graph.children_ids(node.id)):
        return
    head = node.id if node.name == node.id else f"{node.id}: {node.fields.get('name', node.name)}"
    if node.id == ROOT:
        head = f"{node.id}: {node.fields['purpose']}"
    kind = "" if node.kind in (ROOT, SECTION) else f"  ({node.kind.replace('_', ' ')})"
    yield f"{'  ' * depth}{head}{kind}"
    for key, value in node.fields.items():
        if value and key not in _SHOWN_ELSEWHERE:
            shown = "; ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{'  ' * (depth + 1)}- {key}: {shown}"
    for relation in Relation:
        targets = node.targets(relation)
        if targets and relation not in (Relation.CONTAINS, Relation.PRECEDES):
            yield f"{'  ' * (depth + 1)}- {relation}: {', '.join(targets)}"
    for child in graph.children(node.id):
        yield from _lines(graph, child, depth + 1)
