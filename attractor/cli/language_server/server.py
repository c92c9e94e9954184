"""Serves an editor over standard input and output."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from lsprotocol import types
from lsprotocol.types import EXIT, INITIALIZE, ErrorCodes, LSPErrorCodes, ResponseError
from pygls.exceptions import JsonRpcException, PyglsError
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.json_rpc import RPCMessage, RPCRequest
from pygls.uris import to_fs_path

from attractor import __version__
from attractor.base.errors import UsageError
from attractor.cli.language_server import answers
from attractor.cli.language_server.answers import Places, symbol_row, symbol_tree
from attractor.cli.pipelines.check import PipelineChecker
from attractor.language.editor.analysis import Analysis
from attractor.language.source.text import Source
from attractor.pipeline.source.vocabulary import files_beside


class Protocol(LanguageServerProtocol):
    """The protocol layer: answers every request, even an invalid or untimely request."""

    @property
    def is_shut_down(self) -> bool:
        """Whether the client has requested the shutdown."""
        return self._shutdown

    @property
    def is_open(self) -> bool:
        """Whether the server is initialized and not shut down."""
        return self._workspace is not None and not self._shutdown

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Convert a message, or a part of a message, to an object."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" in data and "method" in data:
                early = self._too_early_or_late(data["method"])
                self._send_response(data["id"], error=early or error.to_response_error())
            raise

    def handle_message(self, message: RPCMessage) -> None:
        """Handle a message; refuse untimely requests and drop untimely notifications."""
        method = getattr(message, "method", "")
        refused = self._too_early_or_late(method) if method and method != EXIT else None
        if refused is None:
            super().handle_message(message)
        elif isinstance(message, RPCRequest):
            self._send_response(message.id, error=refused)

    def _too_early_or_late(self, method: str) -> ResponseError | None:
        """Return the error of an untimely message; `initialize` must come first and only once."""
        if self._shutdown:
            return ResponseError(ErrorCodes.InvalidRequest.value, "the server has been shut down")
        is_first = method == INITIALIZE
        if self._workspace is None and not is_first:
            code = ErrorCodes.ServerNotInitialized.value
            return ResponseError(code, "the server is not initialized")
        if self._workspace is not None and is_first:
            return ResponseError(
                ErrorCodes.InvalidRequest.value, "the server is already initialized"
            )
        return None


def refusal(message: str, hint: str = "") -> JsonRpcException:
    """Return the error response to a request that cannot be fulfilled."""
    text = f"{message} ({hint})" if hint else message
    return JsonRpcException(text, code=LSPErrorCodes.RequestFailed)


PAUSE = timedelta(milliseconds=200)
"""The pause in typing after which the text is analyzed."""

_Source = type[PyglsError] | type[JsonRpcException]
_OfDocument = (
    types.DidOpenTextDocumentParams
    | types.DidChangeTextDocumentParams
    | types.DidCloseTextDocumentParams
)


class Server(LanguageServer):
    """Caches the analysis of each document until the document changes."""

    def __init__(self, checker: PipelineChecker) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            "attractor", __version__, protocol_cls=Protocol
        )
        self._checker = checker
        self._known: dict[str, tuple[int | None, Analysis]] = {}
        self._waiting: dict[str, asyncio.TimerHandle] = {}

    @property
    def is_shut_down(self) -> bool:
        """Whether the client has requested the shutdown."""
        return isinstance(self.protocol, Protocol) and self.protocol.is_shut_down

    def report_server_error(self, error: Exception, source: _Source) -> None:
        """Report an internal error to the editor while the session is open."""
        if isinstance(self.protocol, Protocol) and self.protocol.is_open:
            super().report_server_error(error, source)

    def analysis(self, uri: str) -> Analysis:
        """Return the analysis of a document."""
        document = self.workspace.get_text_document(uri)
        known = self._known.get(uri)
        if known is None or known[0] != document.version:
            path = Path(to_fs_path(document.uri) or document.uri)
            source = Source(document.source, str(path))
            checker = self._checker
            check = partial(checker.with_refusals, file=source.file)
            files = files_beside(path)
            analysis = Analysis(source, checker.vocabulary, files, checker.levels, check)
            known = document.version, analysis
            self._known[uri] = known
        return known[1]

    def places(self, uri: str) -> Places:
        """Return the position converter of a document."""
        document = self.workspace.get_text_document(uri)
        return Places(document, self.workspace.position_codec)

    def publish(self, uri: str) -> None:
        """Send the diagnostics of a document."""
        self._stop_waiting(uri)
        if self.is_shut_down:
            return
        document = self.workspace.get_text_document(uri)
        found = answers.diagnostics(self.analysis(uri), self.places(uri))
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, found, document.version)
        )

    def publish_soon(self, uri: str) -> None:
        """Send the diagnostics after a pause in typing."""
        self._stop_waiting(uri)
        loop = asyncio.get_running_loop()
        self._waiting[uri] = loop.call_later(PAUSE.total_seconds(), self.publish, uri)

    def forget(self, uri: str) -> None:
        """Drop the analysis of a document and clear its diagnostics."""
        self._stop_waiting(uri)
        self._known.pop(uri, None)
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    def _stop_waiting(self, uri: str) -> None:
        waiting = self._waiting.pop(uri, None)
        if waiting:
            waiting.cancel()


def make_server(checker: PipelineChecker) -> Server:
    """Create the server with all features."""
    server = Server(checker)

    def publish(params: _OfDocument) -> None:
        server.publish(params.text_document.uri)

    def publish_soon(params: _OfDocument) -> None:
        server.publish_soon(params.text_document.uri)

    def forget(params: _OfDocument) -> None:
        server.forget(params.text_document.uri)

    server.feature(types.TEXT_DOCUMENT_DID_OPEN)(publish)
    server.feature(types.TEXT_DOCUMENT_DID_CHANGE)(publish_soon)
    server.feature(types.TEXT_DOCUMENT_DID_CLOSE)(forget)
    for feature, answer in answers.ANSWERS.items():
        server.feature(feature, answers.OPTIONS.get(feature))(_bound(server, answer))
    server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)(_bound(server, _symbols_for(server)))
    return server


def _symbols_for(server: Server) -> answers.Answer:
    """Return the symbols as a tree if the client supports trees, otherwise as a list."""

    def respond(analysis: Analysis, places: Places, params: types.DocumentSymbolParams) -> object:
        document = server.client_capabilities.text_document
        support = document.document_symbol if document else None
        is_tree = support and support.hierarchical_document_symbol_support
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


class _OneLine(logging.Formatter):
    """Formats a log record as one line without a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        what = record.getMessage().partition("\n")[0]
        error = _error_of(record)
        why = f": {type(error).__name__}: {' '.join(str(error).split())}" if error else ""
        return f"attractor lsp: {what}{why}"


def log_in_lines() -> None:
    """Log errors of the libraries as one line each; refused requests are not logged."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.ERROR)
    handler.setFormatter(_OneLine())
    handler.addFilter(lambda record: not isinstance(_error_of(record), JsonRpcException))
    for name in ("pygls", "asyncio"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.propagate = False


def _error_of(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None
