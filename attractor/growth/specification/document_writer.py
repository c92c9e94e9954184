"""Writes a specification as a document in YAML, which reads back to the same graph (ruling G2).

An entry names its id only where the words give another one, as after a renaming, and the document
gives an order only where entries of different lists alternate.
"""

import re
from typing import Any

from attractor.growth.specification.document import (
    ID,
    IDENTITY,
    ORDER,
    OWNED,
    SECTION,
    SECTIONS,
    id_of_words,
    in_order,
)
from attractor.growth.specification.graph import ROOT, SpecGraph, SpecNode
from attractor.growth.specification.node_kind import node_kinds, relations_of

_MAPPINGS = frozenset({"entity", "pipeline"})
"""The kinds that are always mappings."""

# YAML would read them as a line feed, outside of double quotes.
_BREAK = re.compile("[\x85\u2028\u2029]")


def write_document(graph: SpecGraph) -> str:
    """Return the YAML of a specification."""
    # Imported here: commands that read no specification start faster.
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts with a line break of Unicode in double quotes."""

    def write_text(_: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = '"' if _BREAK.search(text) else None
        return yaml.ScalarNode("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, write_text)
    return yaml.dump(
        document_of(graph), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100
    )


def document_of(graph: SpecGraph) -> dict[str, Any]:
    """Return the document of a graph; empty sections and keys are left out."""
    return _Writer(graph).document()


class _Writer:
    """Writes the entries in the order in which they are read, and knows the ids so far."""

    def __init__(self, graph: SpecGraph) -> None:
        self._graph = graph
        self._names = {ROOT: graph.root.name}

    def document(self) -> dict[str, Any]:
        """Return the whole document."""
        root = self._graph.root
        identity = {key: root.fields[key] for key in IDENTITY if root.fields.get(key)}
        document: dict[str, Any] = {"identity": identity}
        for name, keys in SECTIONS.items():
            node = self._graph[name]
            self._names[name] = node.name
            lists = self._lists(name)
            content = {**{key: node.fields[key] for key in keys if key in node.fields}, **lists}
            extra = [key for key in lists if key not in keys]
            if content:
                document[name] = {key: content[key] for key in (*keys, *extra) if key in content}
        document |= self._lists(ROOT)
        order = {one: ids for one in (ROOT, *SECTIONS) if (ids := self._order(one))}
        return {**document, ORDER: order} if order else document

    def _lists(self, parent: str) -> dict[str, list[Any]]:
        """Return the entries right inside a node, by the key of their list."""
        node = self._graph[parent]
        lists = {
            kind.key: [self._entry(child, parent) for child in self._graph.children(parent, name)]
            for name, kind in in_order(parent if node.kind in (SECTION, ROOT) else node.kind)
        }
        return {key: entries for key, entries in lists.items() if entries}

    def _entry(self, node: SpecNode, parent: str) -> Any:
        """Return a node as written: its words, or a mapping if there is more to say."""
        kind = node_kinds()[node.kind]
        entry: dict[str, Any] = {kind.label: node.name}
        owner = parent if node.kind in OWNED else ""
        if id_of_words(node.name, node.kind, owner, self._names.get) != node.id:
            entry[ID] = node.id
        self._names[node.id] = node.name
        entry |= {key: one for key, one in node.fields.items() if key != "name"}
        for key, allowed in relations_of(node.kind).items():
            if targets := node.targets(allowed.relation):
                entry[key] = list(targets)
        entry |= self._lists(node.id)
        # Words stand alone if there is no more to say.
        return node.name if len(entry) == 1 and node.kind not in _MAPPINGS else entry

    def _order(self, parent: str) -> list[str]:
        """Return the ids of the entries of a section, unless each list follows another one."""
        ids = [one for one in self._graph.children_ids(parent) if one not in SECTIONS]
        kinds = [name for name, _ in in_order(parent)]
        listed = sorted(ids, key=lambda one: kinds.index(self._graph[one].kind))
        return [] if listed == ids else ids
