"""Writes a picture as a flowchart of Mermaid, which GitHub shows in Markdown."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from attractor.language.drawing.picture import (
    NODE_COLUMNS,
    Box,
    Picture,
    edge_elements,
    edge_lines,
    in_one_line,
    jumps,
    label_of,
    nest_boxes,
    node_lines,
    title_of,
    walk_boxes,
    wrapped,
)
from attractor.language.graph.graph import Edge
from attractor.language.source.text import margin

_DIRECTIONS = frozenset({"TB", "LR", "BT", "RL"})
_ROUNDED = '(["', '"])'
_SHAPES: Mapping[str, tuple[str, str]] = {
    "Mdiamond": _ROUNDED,
    "Msquare": ('((("', '")))'),
    "hexagon": ('{{"', '"}}'),
    "diamond": ('{"', '"}'),
    "component": ('[["', '"]]'),
    "tripleoctagon": ('[["', '"]]'),
    "parallelogram": ('[/"', '"/]'),
    "house": ('[/"', '"\\]'),
    "circle": ('(("', '"))'),
    "doublecircle": ('((("', '")))'),
    "cylinder": ('[("', '")]'),
    "ellipse": _ROUNDED,
    "oval": _ROUNDED,
}
_BOX = '["', '"]'
_ODD = re.compile(r"(?![\w .,!?()/=+'-])[\x00-\x7f]")
# A text with this beginning would be a list in Markdown.
_LIST = re.compile(r"^(\s*)(\d+)\.|^(\s*)([-+*])")
# Mermaid finds formulas and icons even in escaped text: a character of no width breaks them up.
_FORMULA_OR_ICON = re.compile(r"\$(?=\$)|\bfa\w?(?=:fa)")
_NO_WIDTH = "\N{WORD JOINER}"


def mermaid_text(picture: Picture) -> str:
    """Return the flowchart of a picture."""
    graph = picture.graph
    title = in_one_line(" · ".join(filter(None, [title_of(graph), picture.caption])))
    rankdir = graph.attributes.text("rankdir")
    names = _names(graph.nodes)
    outermost = nest_boxes(graph)
    lines = ["---", f"title: {json.dumps(title, ensure_ascii=False)}", "---"]
    lines.append(f"flowchart {rankdir if rankdir in _DIRECTIONS else 'TB'}")
    lines += _nodes(picture, outermost, names)
    for number, (box, begins) in enumerate(walk_boxes(outermost)):
        if begins:
            text = label_of(box.subgraph.attributes) if box.subgraph else ""
            label = _escaped(wrapped(text, NODE_COLUMNS))
            lines.append(f'{margin(box.depth)}subgraph s{number} ["{label}"]')
            lines += _nodes(picture, box, names)
        else:
            lines.append(f"{margin(box.depth)}end")
    for edge, element in zip(graph.edges, edge_elements(graph.edges), strict=True):
        mark = picture.marks.get(element)
        arrow = "==>" if mark and mark.style.width > 1.5 else "-->"
        lines.append(_arrow(names, edge, arrow, edge_lines(edge, sign=mark.sign if mark else "")))
    for jump in jumps(graph):
        lines.append(_arrow(names, Edge(jump.source, jump.target), "-.->", [jump.caption]))
    return "\n".join([*lines, ""])


def _nodes(picture: Picture, box: Box, names: Mapping[str, str]) -> Iterator[str]:
    for id_ in box.nodes:
        node = picture.graph.nodes[id_]
        begin, end = _SHAPES.get(node.shape, _BOX)
        label = _escaped(node_lines(picture, node))
        yield f"{margin(box.depth + 1)}{names[id_]}{begin}{label}{end}"


def _arrow(names: Mapping[str, str], edge: Edge, arrow: str, lines: list[str]) -> str:
    label = f'|"{_escaped(lines)}"|' if lines else ""
    return f"{margin(1)}{names[edge.source]} {arrow}{label} {names[edge.target]}"


def _names(ids: Iterable[str]) -> Mapping[str, str]:
    """Return a unique name for each id; no name is a keyword of Mermaid."""
    names: dict[str, str] = {}
    taken: dict[str, int] = {}
    for id_ in ids:
        name = base = "n_" + re.sub(r"\W", "_", id_, flags=re.ASCII)
        while name in taken:
            taken[base] += 1
            name = f"{base}_{taken[base]}"
        taken[name] = 1
        names[id_] = name
    return names


def _escaped(lines: Iterable[str]) -> str:
    return "<br/>".join(map(escaped_line, lines)) or " "


def escaped_line(text: str) -> str:
    """Return a text as part of a quoted label."""
    broken_up = _FORMULA_OR_ICON.sub(rf"\g<0>{_NO_WIDTH}", text)
    safe = _ODD.sub(lambda odd: f"#{ord(odd[0])};", broken_up)
    return _LIST.sub(_no_list, safe)


def _no_list(start: re.Match[str]) -> str:
    blank, number, other, bullet = start.groups()
    return f"{blank}{number}#46;" if number else f"{other}#{ord(bullet)};"
