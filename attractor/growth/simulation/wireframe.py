"""Draws the home screen of an app from its specification, before anything is built."""

from html import escape

from attractor.growth.spec.graph import Relation, SpecGraph, SpecNode

_WIDTH = 360
_LINE = 20
_MARGIN = 12


def draw_wireframe(graph: SpecGraph) -> str:
    """Return an SVG with a box for each panel, in order; a box names what the panel shows."""
    top = _MARGIN
    boxes: list[str] = []
    for panel in graph.of_kind("panel"):
        lines = [_shown(graph[one]) for one in panel.targets(Relation.SHOWS)]
        height = _LINE * (len(lines) + 2)
        boxes.append(_box(panel.name, lines, top, height))
        top += height + _MARGIN
    width = _WIDTH + 2 * _MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" '
        f'height="{top}" font-family="sans-serif" font-size="13">'
    )
    return "\n".join([head, f"<title>{escape(graph.root.name)}</title>", *boxes, "</svg>", ""])


def _shown(node: SpecNode) -> str:
    return f"{node.kind}: {node.name}"


def _box(title: str, lines: list[str], top: int, height: int) -> str:
    rectangle = (
        f'<rect x="{_MARGIN}" y="{top}" width="{_WIDTH}" height="{height}" rx="4" '
        'fill="#ffffff" stroke="#57606a"/>'
    )
    texts = [_text(title, top + _LINE, weight="bold")]
    texts += [_text(one, top + _LINE * number) for number, one in enumerate(lines, 2)]
    return "\n".join([rectangle, *texts])


def _text(words: str, y: int, *, weight: str = "normal") -> str:
    style = f'font-weight="{weight}" fill="#1f2328"'
    return f'<text x="{2 * _MARGIN}" y="{y}" {style}>{escape(words)}</text>'
