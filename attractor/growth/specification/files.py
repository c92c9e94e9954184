"""The files of a specification: `spec/nodes/<kind>/<id>.json`, one key a line.

The files are the specification, in the repository of the app; SQLite tables are an index of them.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from attractor.base.files import (
    file_error,
    is_temporary,
    read_regular,
    read_text,
    remove_abandoned_files,
    remove_file,
    write_whole,
)
from attractor.base.json import Json, NotCanonical, parse_json
from attractor.base.records import read_record, write_record
from attractor.growth.errors import InvalidSpec
from attractor.growth.specification.document import SECTION
from attractor.growth.specification.graph import (
    NODE_ID,
    ROOT,
    Provenance,
    Relation,
    SpecEdge,
    SpecGraph,
    SpecNode,
)
from attractor.growth.specification.graph_check import check_graph
from attractor.growth.specification.node_kind import node_kinds

NODES = Path("spec", "nodes")
_KEYS = {"id", "kind", "fields", "edges", "provenance"}


def node_text(node: SpecNode) -> str:
    """Return the text of the file of a node."""
    edges = {one.value: list(node.targets(one)) for one in Relation if node.targets(one)}
    record = {
        "id": node.id,
        "kind": node.kind,
        "fields": node.fields,
        "edges": edges,
        "provenance": write_record(node.provenance),
    }
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def parse_node(text: str, *, place: str) -> SpecNode:
    """Read the text of a file of a node, or raise InvalidSpec."""
    try:
        record = parse_json(text)
    except NotCanonical as cause:
        raise InvalidSpec(f"{place}: {cause.message}") from cause
    if not isinstance(record, dict) or set(record) != _KEYS:
        raise InvalidSpec(f"{place}: not a node", hint=f"keys of a node: {', '.join(_KEYS)}")
    id_, kind, fields, edges, provenance = (
        cast("Any", record[key]) for key in ("id", "kind", "fields", "edges", "provenance")
    )
    if not isinstance(id_, str) or not NODE_ID.fullmatch(id_):
        raise InvalidSpec(f"{place}: invalid id {id_!r}", hint="letters a to z, digits, _ and .")
    if kind not in (ROOT, SECTION) and kind not in node_kinds():
        raise InvalidSpec(f"{place}: unknown kind {kind!r}")
    if not all(isinstance(one, dict) for one in (fields, edges, provenance)):
        raise InvalidSpec(f"{place}: fields, edges and provenance are objects")
    return SpecNode(
        id_, kind, fields, tuple(_edges(edges, place)), read_record(Provenance, provenance)
    )


def _edges(edges: Mapping[str, Json], place: str) -> Iterator[SpecEdge]:
    for relation in Relation:
        targets = edges.get(relation.value, [])
        if not isinstance(targets, list) or not all(isinstance(target, str) for target in targets):
            raise InvalidSpec(f"{place}: {relation} is not a list of ids")
        yield from (SpecEdge(relation, str(target)) for target in targets)
    unknown = sorted(set(edges) - {one.value for one in Relation})
    if unknown:
        known = ", ".join(one.value for one in Relation)
        raise InvalidSpec(f"{place}: unknown relation {unknown[0]!r}", hint=f"known: {known}")


def node_path(node: SpecNode) -> Path:
    """Return the path of the file of a node, within the repository of the app."""
    return NODES / node.kind / f"{node.id}.json"


def read_spec(repository: Path) -> SpecGraph:
    """Read the specification of an app, or raise InvalidSpec with the first invalid file."""
    folder = repository / NODES
    if not folder.is_dir():
        hint = "write one with 'attractor spec normalize', then 'attractor spec export ID --files'"
        raise InvalidSpec(f"{repository} contains no specification ({NODES})", hint=hint)
    nodes: dict[str, SpecNode] = {}
    for file in sorted(folder.rglob("*")):
        if (file.is_dir() and not file.is_symlink()) or is_temporary(file.name):
            continue
        place = str(file.relative_to(repository))
        node = parse_node(read_text(file, InvalidSpec), place=place)
        if node_path(node) != file.relative_to(repository):
            raise InvalidSpec(f"{place} describes {node_path(node)}", hint="rename the file")
        nodes[node.id] = node
    graph = SpecGraph(nodes.values())
    check_graph(graph)
    return graph


def write_spec(graph: SpecGraph, repository: Path) -> None:
    """Write the files of a specification, and remove those of other nodes."""
    wanted = {node_path(node): node for node in graph.values()}
    folder = repository / NODES
    for file in folder.rglob("*.json"):
        if file.relative_to(repository) not in wanted:
            remove_file(file)
    for kind in folder.glob("*/"):
        remove_abandoned_files(kind)
    for path, node in wanted.items():
        write_file(repository / path, node_text(node).encode())


def write_file(file: Path, content: bytes) -> None:
    """Write a file unless it has this content."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.is_symlink() and file.is_file() and read_regular(file) == content:
            return
    except OSError as cause:
        raise file_error("write", file, cause) from cause
    write_whole(file, content, sync=False)
