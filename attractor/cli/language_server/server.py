"""Answers an editor, over standard input and output."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path
from pygls.workspace import TextDocument

from attractor import __version__
from attractor.base.errors import UsageError
from attractor.cli.language_server import answers
from attractor.cli.language_server.places import Places
from attractor.language.editing.analysis import Analysis, analyse
from attractor.language.severities import Levels
from attractor.language.sources import Source
from attractor.language.vocabulary import Vocabulary
from attractor.pipeline.beside import files_beside

_OfDocument = (
    types.DidOpenTextDocumentParams
    | types.DidChangeTextDocumentParams
    | types.DidCloseTextDocumentParams
)


class Server(LanguageServer):
    """Keeps what it found out about each document until the document changes."""

    def __init__(self, vocabulary: Vocabulary, levels: Levels) -> None:
        super().__init__("attractor", __version__)  # pyright: ignore[reportUnknownMemberType]
        self._vocabulary = vocabulary
        self._levels = levels
        self._known: dict[str, tuple[int | None, Analysis]] = {}

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
        document = self.workspace.get_text_document(uri)
        found = answers.diagnostics(self.analysis(uri), self.places(uri))
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, found, document.version)
        )

    def forget(self, uri: str) -> None:
        """Drop what is known of a document, and take back what was said of it."""
        self._known.pop(uri, None)
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    def _analyse(self, document: TextDocument) -> Analysis:
        path = Path(to_fs_path(document.uri) or document.uri)
        return analyse(
            Source(document.source, str(path)),
            vocabulary=self._vocabulary,
            files=files_beside(path),
            levels=self._levels,
        )


def make_server(vocabulary: Vocabulary, levels: Levels) -> Server:
    """Make the server with all it answers, for a project with its names and severities."""
    server = Server(vocabulary, levels)
    _follow_documents(server)
    _answer(server)
    return server


def _follow_documents(server: Server) -> None:
    def publish(params: _OfDocument) -> None:
        server.publish(params.text_document.uri)

    def forget(params: _OfDocument) -> None:
        server.forget(params.text_document.uri)

    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(publish)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(publish)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(forget)


def _answer(server: Server) -> None:
    for feature, answer in answers.ANSWERS.items():
        server.feature(feature, answers.OPTIONS.get(feature))(_bound(server, answer))


def _bound(server: Server, answer: answers.Answer) -> Callable[[Any], object]:
    def respond(params: Any) -> object:
        uri = params.text_document.uri
        try:
            return answer(server.analysis(uri), server.places(uri), params)
        except UsageError as error:
            raise JsonRpcInvalidParams(f"{error.message} ({error.hint})") from error

    return respond
