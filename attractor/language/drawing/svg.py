"""Makes a drawing of Graphviz one that everybody can read: on light and dark, seen or heard."""

import re
from collections.abc import Iterator
from html import escape

from attractor.language.drawing.captions import clean, in_one_line, title_of
from attractor.language.drawing.coloring import OWN_FILL, OWN_TEXT
from attractor.language.drawing.element_ids import encoded
from attractor.language.drawing.jumps import jumps
from attractor.language.drawing.palette import BOX_FILL, INK, PAINTS, PLATE, Theme
from attractor.language.drawing.picture import Picture
from attractor.language.drawing.telling import tooltips_of

_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)
_OPENING = re.compile(r'<svg width="([^"]*)" height="([^"]*)"\s+viewBox="([^"]*)"[^>]*>')
_GROUP = re.compile(
    r'<g id="([^"]*)" class="(node|edge|cluster)([^"]*)">\s*<title>[^<]*</title>(.*?)</g>',
    re.DOTALL,
)
_SHEET_TITLE = re.compile(r'(<g id="[^"]*" class="graph[^>]*>)\s*<title>[^<]*</title>')
_TEXT = re.compile(r"<text [^>]*>")
# Blanks only made room.
_PADDED = re.compile(r"(<text [^>]*)> ([^<]*) </text>")
_SIZE = re.compile(r'font-size="[^"]*"')
_SMALL = 'font-size="9.00"'
# On a narrow screen it shrinks as far as it can be read, from there on one scrolls.
_FITTING = "max-width:100%;min-width:{:.0f}pt;height:auto"
_SMALLEST = 0.7
_ROOT = ".attractor-drawing"


def finish(svg: str, picture: Picture, *, theme: Theme) -> str:
    """Return Graphviz' drawing with a title, a description, tooltips and a style sheet."""
    told = dict(tooltips_of(picture))
    noted = {element for element, mark in picture.marks.items() if mark.note}
    body = _COMMENT.sub("", svg[svg.index("<svg") :]).replace("&#45;", "-")
    body = _PADDED.sub(r"\1>\2</text>", _SHEET_TITLE.sub(r"\1", body))

    def told_of(group: re.Match[str]) -> str:
        element, kind, more, inside = group.groups()
        if kind == "node":
            inside = _with_small_print(inside, has_note=element in noted)
        title = f"\n<title>{_text(told[element])}</title>" if element in told else ""
        return f'<g id="{element}" class="{kind}{more}">{title}{inside}</g>'

    return _OPENING.sub(lambda tag: _head(tag, picture, theme), _GROUP.sub(told_of, body)).strip()


def _head(tag: re.Match[str], picture: Picture, theme: Theme) -> str:
    width, height, view = tag.groups()
    least = _SMALLEST * float(width.removesuffix("pt"))
    id_ = f"graph-{encoded(picture.graph.name)}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="attractor-drawing" width="{width}"'
            f' height="{height}" viewBox="{view}" role="img"'
            f' aria-labelledby="{id_}-title {id_}-desc">',
            f'<title id="{id_}-title">{_text(in_one_line(title_of(picture.graph)))}</title>',
            f'<desc id="{id_}-desc">{_text(describe(picture))}</desc>',
            f"<style>{''.join(_rules(theme, least))}</style>",
        ]
    )


def describe(picture: Picture) -> str:
    """Say in a few sentences what a drawing shows, for who does not see it."""
    graph = picture.graph
    nodes, edges = len(graph.nodes), len(graph.edges)
    back = sum(1 for _ in jumps(graph))
    sentences = [
        f"{picture.kind} of {_counted(nodes, 'node')} and {_counted(edges, 'edge')}"
        + (f", with {_counted(back, 'retry target')}." if back else "."),
        f"Goal: {graph.goal}" if graph.goal else "",
        picture.caption,
        picture.description,
    ]
    return "\n".join(clean(one) for told in sentences if told for one in told.split("\n"))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _with_small_print(inside: str, *, has_note: bool) -> str:
    """Make the first line of a node small, which says what it is, and a note in the last one."""
    tags = list(_TEXT.finditer(inside))
    label = tags[1:-1] if has_note else tags[1:]
    # Where the label would say what the node is once more, there is none.
    small = {tag.start() for tag in tags if tag not in (label or tags[:1])}
    return _TEXT.sub(
        lambda tag: _SIZE.sub(_SMALL, tag[0]) if tag.start() in small else tag[0], inside
    )


def _rules(theme: Theme, least: float) -> Iterator[str]:
    yield f"{_ROOT}{{{_FITTING.format(least)};background:{PLATE.on(theme)}}}"
    if theme is not Theme.AUTO:
        return
    yield "@media (prefers-color-scheme:dark){"
    yield f"{_ROOT}{{background:{PLATE.dark}}}"
    for light, dark in PAINTS:
        yield f'{_ROOT} [fill="{light}"]{{fill:{dark}}}{_ROOT} [stroke="{light}"]{{stroke:{dark}}}'
    # Colours of an author's own that were chosen for a light sheet.
    yield f"{_ROOT} .graph.{OWN_FILL}>polygon{{fill:{PLATE.dark}}}"
    yield f"{_ROOT} .cluster.{OWN_FILL}>:not(text){{fill:{BOX_FILL.dark}}}"
    yield f"{_ROOT} :is(.graph,.cluster).{OWN_FILL}>text{{fill:{INK.dark}}}"
    yield f"{_ROOT} .{OWN_TEXT} text{{fill:{INK.dark}}}"
    yield "}"


def _text(text: str) -> str:
    return escape(text, quote=False)
