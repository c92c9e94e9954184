"""Converts analyses of a document to responses of the Language Server Protocol."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lsprotocol import types
from lsprotocol.types import Position, Range
from pygls.workspace import PositionCodec, TextDocument

from attractor.cli.pipelines.files import with_line_ends_of
from attractor.language.diagnostics import Diagnostic, Edit, ParseError, Severity
from attractor.language.editor.analysis import (
    Analysis,
    OutlineSymbol,
    declaration,
    named_at,
    outline_symbols,
    rename_node,
    silence_rule,
)
from attractor.language.editor.completion import (
    ProposalKind,
    ProposedWord,
    cursor_at,
    hover,
    propose,
)
from attractor.language.formatter import format_text
from attractor.language.linting.pages import page_of
from attractor.language.source.syntax_tree import Span


class Places:
    """Converts positions: characters from 1 in Attractor, client units from 0 in the protocol."""

    def __init__(self, document: TextDocument, codec: PositionCodec) -> None:
        self._lines = document.lines
        self._codec = codec

    def place(self, position: Position) -> tuple[int, int]:
        """Return the line and column of a position."""
        counted = self._codec.position_from_client_units(self._lines, position)
        return counted.line + 1, counted.character + 1

    def position(self, line: int, column: int) -> Position:
        """Return the position of a line and column."""
        return self._codec.position_to_client_units(self._lines, Position(line - 1, column - 1))

    def range(self, span: Span) -> Range:
        """Return the range of a span; for a span without a place, the start of the document."""
        if not span.is_somewhere:
            return Range(Position(0, 0), Position(0, 0))
        return Range(
            self.position(span.line, span.column), self.position(span.end_line, span.end_column)
        )

    @property
    def whole(self) -> Range:
        """The range of the whole document."""
        return Range(Position(0, 0), Position(len(self._lines), 0))


Answer = Callable[[Analysis, Places, Any], object]

_SEVERITIES = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.INFO: types.DiagnosticSeverity.Information,
}
_KINDS = {
    ProposalKind.NODE: types.CompletionItemKind.Reference,
    ProposalKind.KEY: types.CompletionItemKind.Property,
    ProposalKind.VALUE: types.CompletionItemKind.Value,
    ProposalKind.WORD: types.CompletionItemKind.Keyword,
}


def diagnostics(analysis: Analysis, places: Places) -> list[types.Diagnostic]:
    """Return the diagnostics of a document."""
    return [_diagnostic(diagnostic, places) for diagnostic in analysis.diagnostics]


def _diagnostic(one: Diagnostic, places: Places) -> types.Diagnostic:
    fix = f"\nfix: {one.fix}" if one.fix else ""
    return types.Diagnostic(
        range=places.range(one.span),
        message=f"{one.message}{fix}",
        severity=_SEVERITIES[one.severity],
        code=one.rule,
        source="attractor",
    )


def _hover(analysis: Analysis, places: Places, params: types.HoverParams) -> object:
    found = hover(
        analysis.source,
        *places.place(params.position),
        graph=analysis.graph,
        diagnostics=analysis.diagnostics,
        page=page_of,
    )
    if found is None:
        return None
    text = types.MarkupContent(types.MarkupKind.Markdown, found.text)
    return types.Hover(text, places.range(found.span))


def _completion(analysis: Analysis, places: Places, params: types.CompletionParams) -> object:
    line, column = places.place(params.position)
    offset = analysis.source.offset(line, column)
    cursor = cursor_at(analysis.source.text, offset)
    nodes = [name.id for name in analysis.names]
    begun = places.range(Span("", line, column - len(cursor.begun), line, column))
    # Only the graph knows the models in use, and building it takes time.
    words = analysis.words if cursor.key == "llm_model" else analysis.vocabulary
    proposals = enumerate(propose(cursor, nodes, words))
    items = [_item(one, at, begun) for at, one in proposals]
    return types.CompletionList(is_incomplete=False, items=items)


def _item(proposal: ProposedWord, at: int, place: types.Range) -> types.CompletionItem:
    documentation = types.MarkupContent(types.MarkupKind.Markdown, proposal.documentation)
    return types.CompletionItem(
        label=proposal.text,
        kind=_KINDS[proposal.sort],
        detail=proposal.detail or None,
        documentation=documentation if proposal.documentation else None,
        sort_text=f"{at:05}",
        filter_text=proposal.text,
        text_edit=types.TextEdit(place, proposal.text),
    )


def _definition(analysis: Analysis, places: Places, params: types.DefinitionParams) -> object:
    named = named_at(analysis.names, *places.place(params.position))
    found = declaration(named.id, analysis.names) if named else None
    return types.Location(params.text_document.uri, places.range(found.span)) if found else None


def _references(analysis: Analysis, places: Places, params: types.ReferenceParams) -> object:
    named = named_at(analysis.names, *places.place(params.position))
    if named is None:
        return None
    declared = declaration(named.id, analysis.names)
    return [
        types.Location(params.text_document.uri, places.range(name.span))
        for name in analysis.names
        if name.id == named.id and (params.context.include_declaration or name != declared)
    ]


def _rename(analysis: Analysis, places: Places, params: types.RenameParams) -> object:
    edits = rename_node(analysis.source, *places.place(params.position), params.new_name)
    return _workspace_edit(edits, places, params.text_document.uri)


def _prepare_rename(
    analysis: Analysis, places: Places, params: types.PrepareRenameParams
) -> object:
    named = named_at(analysis.names, *places.place(params.position))
    return places.range(named.span) if named else None


def _formatting(
    analysis: Analysis, places: Places, params: types.DocumentFormattingParams
) -> object:
    text = analysis.source.text
    try:
        written = with_line_ends_of(text, format_text(text))
    except ParseError:
        # Errors are already shown; an invalid text is not formatted.
        return None
    if written == text:
        return []
    return [types.TextEdit(places.whole, written)]


def _code_actions(analysis: Analysis, places: Places, params: types.CodeActionParams) -> object:
    lines = range(params.range.start.line + 1, params.range.end.line + 2)
    return [
        action
        for diagnostic in analysis.diagnostics
        if diagnostic.span.line in lines
        for action in _actions(diagnostic, analysis, places, params.text_document.uri)
    ]


def _actions(
    one: Diagnostic, analysis: Analysis, places: Places, uri: str
) -> Iterator[types.CodeAction]:
    diagnostics_of_action = [_diagnostic(one, places)]
    if one.edits:
        yield types.CodeAction(
            title=one.fix or "fix it",
            kind=types.CodeActionKind.QuickFix,
            diagnostics=diagnostics_of_action,
            edit=_workspace_edit(one.edits, places, uri),
            is_preferred=True,
        )
    comment = silence_rule(analysis.source, one) if one.severity is not Severity.ERROR else None
    if comment:
        yield types.CodeAction(
            title=f"ignore {one.rule} on this line",
            kind=types.CodeActionKind.QuickFix,
            diagnostics=diagnostics_of_action,
            edit=_workspace_edit([comment], places, uri),
        )


def _workspace_edit(edits: Sequence[Edit], places: Places, uri: str) -> types.WorkspaceEdit:
    return types.WorkspaceEdit(
        {uri: [types.TextEdit(places.range(edit.span), edit.text) for edit in edits]}
    )


ANSWERS: Mapping[str, Answer] = {
    types.TEXT_DOCUMENT_HOVER: _hover,
    types.TEXT_DOCUMENT_COMPLETION: _completion,
    types.TEXT_DOCUMENT_DEFINITION: _definition,
    types.TEXT_DOCUMENT_REFERENCES: _references,
    types.TEXT_DOCUMENT_RENAME: _rename,
    types.TEXT_DOCUMENT_PREPARE_RENAME: _prepare_rename,
    types.TEXT_DOCUMENT_FORMATTING: _formatting,
    types.TEXT_DOCUMENT_CODE_ACTION: _code_actions,
}
"""The response functions by protocol method."""

OPTIONS: Mapping[str, object] = {
    types.TEXT_DOCUMENT_COMPLETION: types.CompletionOptions(
        trigger_characters=["[", ",", "=", '"', ">", " "]
    ),
    types.TEXT_DOCUMENT_RENAME: types.RenameOptions(prepare_provider=True),
    types.TEXT_DOCUMENT_CODE_ACTION: types.CodeActionOptions([types.CodeActionKind.QuickFix]),
}
"""The options that the server announces to the editor."""


def symbol_tree(
    analysis: Analysis, places: Places, params: types.DocumentSymbolParams
) -> Sequence[types.DocumentSymbol]:
    """Return the symbols of a document, with nodes nested in subgraphs."""
    return [_symbol(one, places) for one in outline_symbols(analysis.source, analysis.readable)]


def _symbol(one: OutlineSymbol, places: Places) -> types.DocumentSymbol:
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
    """Return the symbols of a document as a flat list, for clients without nesting."""
    top = outline_symbols(analysis.source, analysis.readable)
    return [
        types.SymbolInformation(
            name=one.name,
            kind=_kind(one),
            location=types.Location(params.text_document.uri, places.range(one.span)),
            container_name=around or None,
        )
        for one, around in _with_container(top)
    ]


def _with_container(
    top: Sequence[OutlineSymbol], around: str = ""
) -> Iterator[tuple[OutlineSymbol, str]]:
    for one in top:
        yield one, around
        yield from _with_container(one.children, one.name)


def _kind(one: OutlineSymbol) -> types.SymbolKind:
    return types.SymbolKind.Namespace if one.is_subgraph else types.SymbolKind.Function
