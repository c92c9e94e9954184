"""Answers an editor, over standard input and output."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, PyglsError
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from attractor import __version__
from attractor.base.errors import UsageError
from attractor.cli.language_server import answers
from attractor.cli.language_server.outline import symbol_row, symbol_tree
from attractor.cli.language_server.places import Places
from attractor.cli.language_server.protocol import Protocol, refusal
from attractor.language.editor.analysis import Analysis
from attractor.language.linting.lint_rule import Levels, Vocabulary
from attractor.language.source.text import Source
from attractor.pipeline.registered_names import files_beside

PAUSE = timedelta(milliseconds=200)
"""For how long nothing is typed before what stands there is looked at."""

_Source = type[PyglsError] | type[JsonRpcException]
_OfDocument = (
    types.DidOpenTextDocumentParams
    | types.DidChangeTextDocumentParams
    | types.DidCloseTextDocumentParams
)


class Server(LanguageServer):
    """Keeps what it found out about each document until the document changes."""

    def __init__(self, vocabulary: Vocabulary, levels: Levels) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            "attractor", __version__, protocol_cls=Protocol
        )
        self._vocabulary = vocabulary
        self._levels = levels
        self._known: dict[str, tuple[int | None, Analysis]] = {}
        self._waiting: dict[str, asyncio.TimerHandle] = {}

    @property
    def is_shut_down(self) -> bool:
        """Whether the client has said that it is about to leave."""
        return isinstance(self.protocol, Protocol) and self.protocol.is_shut_down

    def report_server_error(self, error: Exception, source: _Source) -> None:
        """Let the editor show a defect; before the beginning and after the end nothing is said."""
        if isinstance(self.protocol, Protocol) and self.protocol.is_open:
            super().report_server_error(error, source)

    def analysis(self, uri: str) -> Analysis:
        """Return what is known of a document."""
        document = self.workspace.get_text_document(uri)
        known = self._known.get(uri)
        if known is None or known[0] != document.version:
            known = document.version, self._analyse(document)
            self._known[uri] = known
        return known[1]

    def places(self, uri: str) -> Places:
        """Return the places of a document."""
        document = self.workspace.get_text_document(uri)
        return Places(document, self.workspace.position_codec)

    def publish(self, uri: str) -> None:
        """Tell the editor what is wrong with a document."""
        self._stop_waiting(uri)
        if self.is_shut_down:
            return
        document = self.workspace.get_text_document(uri)
        found = answers.diagnostics(self.analysis(uri), self.places(uri))
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, found, document.version)
        )

    def publish_soon(self, uri: str) -> None:
        """Tell it when no change came for a moment: of what is typed only the last one counts."""
        self._stop_waiting(uri)
        loop = asyncio.get_running_loop()
        self._waiting[uri] = loop.call_later(PAUSE.total_seconds(), self.publish, uri)

    def forget(self, uri: str) -> None:
        """Drop what is known of a document, and take back what was said of it."""
        self._stop_waiting(uri)
        self._known.pop(uri, None)
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    def _stop_waiting(self, uri: str) -> None:
        waiting = self._waiting.pop(uri, None)
        if waiting:
            waiting.cancel()

    def _analyse(self, document: TextDocument) -> Analysis:
        path = Path(to_fs_path(document.uri) or document.uri)
        source = Source(document.source, str(path))
        return Analysis(source, self._vocabulary, files_beside(path), self._levels)


def make_server(vocabulary: Vocabulary, levels: Levels) -> Server:
    """Make the server with all it answers, for a project with its names and severities."""
    server = Server(vocabulary, levels)
    _follow_documents(server)
    _answer(server)
    return server


def _follow_documents(server: Server) -> None:
    def publish(params: _OfDocument) -> None:
        server.publish(params.text_document.uri)

    def publish_soon(params: _OfDocument) -> None:
        server.publish_soon(params.text_document.uri)

    def forget(params: _OfDocument) -> None:
        server.forget(params.text_document.uri)

    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(publish)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(publish_soon)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(forget)


def _answer(server: Server) -> None:
    for feature, answer in answers.ANSWERS.items():
        server.feature(feature, answers.OPTIONS.get(feature))(_bound(server, answer))
    server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)(_bound(server, _symbols_for(server)))


def _symbols_for(server: Server) -> answers.Answer:
    """Answer in a tree where the client says that it knows one, else in a row."""

    def respond(analysis: Analysis, places: Places, params: types.DocumentSymbolParams) -> object:
        document = server.client_capabilities.text_document
        said = document.document_symbol if document else None
        is_tree = said and said.hierarchical_document_symbol_support
        return (symbol_tree if is_tree else symbol_row)(analysis, places, params)

    return respond


def _bound(server: Server, answer: answers.Answer) -> Callable[[Any], object]:
    def respond(params: Any) -> object:
        uri = params.text_document.uri
        try:
            return answer(server.analysis(uri), server.places(uri), params)
        except UsageError as error:
            raise refusal(error.message, error.hint) from error
        except OSError as error:
            raise refusal(f"cannot read {error.filename}: {error.strerror}") from error

    return respond
