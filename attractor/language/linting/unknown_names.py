"""Finds attribute values that name an unknown agent, backend, model or provider."""

from collections.abc import Iterator, Set
from itertools import chain
from typing import NamedTuple

from attractor.language.diagnostics import Edit, one_slip, suggester, word_edits
from attractor.language.graph.attributes import each_attribute
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Span, Value
from attractor.language.source.text import span_within

_SHOWN = 12
_INPUT = "${"


class UnknownName(NamedTuple):
    """An unknown name, its place and a fix."""

    name: str
    span: Span
    node: str
    fix: str
    edits: tuple[Edit, ...]


def unknown_names(
    graph: Graph, key: str, known: Set[str] | None, *, besides: Set[str] = frozenset()
) -> Iterator[UnknownName]:
    """Yield each unknown name under a key; one in a stylesheet once.

    `known` is listed only if necessary, so `besides` names some that are always known.
    """
    if known is None:
        return
    sheet = graph.attributes.value("model_stylesheet")
    suggest = suggester(chain.from_iterable((known, besides)))
    seen: set[tuple[str, Span]] = set()
    for holder, attribute in each_attribute(graph, {key}):
        name, span = str(attribute.value), attribute.value.span
        if not name or name in besides or name in known or _INPUT in name or (name, span) in seen:
            continue
        is_from_sheet = sheet is not None and span == sheet.span and span.is_somewhere
        if span.is_somewhere:
            seen.add((name, span))
        meant = "" if is_from_sheet else one_slip(name, {*known, *besides})
        yield UnknownName(
            name,
            _span_in_sheet(sheet, name) if is_from_sheet and sheet else span,
            "" if is_from_sheet else holder.node,
            suggest(name) or _choice({*known, *besides}),
            word_edits(attribute.value, meant),
        )


def _span_in_sheet(sheet: Value, name: str) -> Span:
    start = str(sheet).find(name)
    return span_within(sheet, start, start + len(name)) if start >= 0 else sheet.span


def _choice(known: Set[str]) -> str:
    names = sorted(known)
    others = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"known: {', '.join(names[:_SHOWN])}{others}" if names else "none is known"
