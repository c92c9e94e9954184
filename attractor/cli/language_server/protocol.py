"""The protocol with an answer to every request, also to one that cannot be read or comes early."""

from typing import Any

from lsprotocol.types import EXIT, INITIALIZE, ErrorCodes, LSPErrorCodes, ResponseError
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.json_rpc import RPCMessage, RPCRequest


class Protocol(LanguageServerProtocol):
    """Refuses what no request may be, or not now; the client would wait for ever."""

    @property
    def is_shut_down(self) -> bool:
        """Whether the client has asked to be left, so that it may go."""
        return self._shutdown

    @property
    def is_open(self) -> bool:
        """Whether it is after the beginning and before the end."""
        return self._workspace is not None and not self._shutdown

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Make an object of a message, or of a part of one."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" in data and "method" in data:
                early = self._too_early_or_late(data["method"])
                self._send_response(data["id"], error=early or error.to_response_error())
            raise

    def handle_message(self, message: RPCMessage) -> None:
        """Take a message when it may come now; what needs no answer is else dropped."""
        method = getattr(message, "method", "")
        refused = self._too_early_or_late(method) if method and method != EXIT else None
        if refused is None:
            super().handle_message(message)
        elif isinstance(message, RPCRequest):
            self._send_response(message.id, error=refused)

    def _too_early_or_late(self, method: str) -> ResponseError | None:
        """Say why a message cannot be taken now: only `initialize` comes first, and only once."""
        if self._shutdown:
            return ResponseError(ErrorCodes.InvalidRequest.value, "the server has been shut down")
        is_first = method == INITIALIZE
        if self._workspace is None and not is_first:
            code = ErrorCodes.ServerNotInitialized.value
            return ResponseError(code, "the server waits for initialize")
        if self._workspace is not None and is_first:
            return ResponseError(ErrorCodes.InvalidRequest.value, "initialize was asked already")
        return None


def refusal(message: str, hint: str = "") -> JsonRpcException:
    """Return the answer to a request that was understood and cannot be granted."""
    told = f"{message} ({hint})" if hint else message
    return JsonRpcException(told, code=LSPErrorCodes.RequestFailed)
