"""What the server answers when it is asked what a document declares."""

from collections.abc import Iterator, Sequence

from lsprotocol import types

from attractor.cli.language_server.places import Places
from attractor.language.editor.analysis import Analysis, Symbol, symbols


def symbol_tree(
    analysis: Analysis, places: Places, params: types.DocumentSymbolParams
) -> Sequence[types.DocumentSymbol]:
    """List what a document declares, the nodes within their subgraphs."""
    return [_symbol(one, places) for one in symbols(analysis.source, analysis.readable)]


def _symbol(one: Symbol, places: Places) -> types.DocumentSymbol:
    return types.DocumentSymbol(
        name=one.name,
        detail=one.detail,
        kind=_kind(one),
        range=places.range(one.span),
        selection_range=places.range(one.name_span),
        children=[_symbol(child, places) for child in one.children],
    )


def symbol_row(
    analysis: Analysis, places: Places, params: types.DocumentSymbolParams
) -> Sequence[types.SymbolInformation]:
    """List what a document declares, for a client that knows no symbols within others."""
    top = symbols(analysis.source, analysis.readable)
    return [
        types.SymbolInformation(
            name=one.name,
            kind=_kind(one),
            location=types.Location(params.text_document.uri, places.range(one.span)),
            container_name=around or None,
        )
        for one, around in _with_container(top)
    ]


def _with_container(top: Sequence[Symbol], around: str = "") -> Iterator[tuple[Symbol, str]]:
    for one in top:
        yield one, around
        yield from _with_container(one.children, one.name)


def _kind(one: Symbol) -> types.SymbolKind:
    return types.SymbolKind.Namespace if one.is_subgraph else types.SymbolKind.Function
