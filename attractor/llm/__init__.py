"""One client for every model: messages in, an answer out, each provider by its own interface.

This door is light: what stands behind a name is imported when the name is first asked for.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attractor.llm.adapter import AdapterTimeout, ProviderAdapter
    from attractor.llm.client import Client, Complete, Middleware, provider_registry
    from attractor.llm.content import (
        AudioData,
        ContentKind,
        ContentPart,
        DocumentData,
        ImageData,
        ProviderData,
        ThinkingData,
        ToolCallData,
        ToolResultData,
    )
    from attractor.llm.errors import (
        AccessDeniedError,
        AuthenticationError,
        ConfigurationError,
        ContentFilterError,
        ContextLengthError,
        InvalidRequestError,
        InvalidToolCallError,
        NetworkError,
        NotFoundError,
        ProviderError,
        QuotaExceededError,
        RateLimitError,
        RequestTimeoutError,
        SDKError,
        ServerError,
        UnsupportedToolChoiceError,
    )
    from attractor.llm.message import Message, Role
    from attractor.llm.request import Request
    from attractor.llm.response import FinishReason, RateLimitInfo, Response, Usage, Warning
    from attractor.llm.retrying import RetryPolicy, retry
    from attractor.llm.tools import ToolCall, ToolChoice, ToolDefinition, ToolResult

__all__ = [
    "AccessDeniedError",
    "AdapterTimeout",
    "AudioData",
    "AuthenticationError",
    "Client",
    "Complete",
    "ConfigurationError",
    "ContentFilterError",
    "ContentKind",
    "ContentPart",
    "ContextLengthError",
    "DocumentData",
    "FinishReason",
    "ImageData",
    "InvalidRequestError",
    "InvalidToolCallError",
    "Message",
    "Middleware",
    "NetworkError",
    "NotFoundError",
    "ProviderAdapter",
    "ProviderData",
    "ProviderError",
    "QuotaExceededError",
    "RateLimitError",
    "RateLimitInfo",
    "Request",
    "RequestTimeoutError",
    "Response",
    "RetryPolicy",
    "Role",
    "SDKError",
    "ServerError",
    "ThinkingData",
    "ToolCall",
    "ToolCallData",
    "ToolChoice",
    "ToolDefinition",
    "ToolResult",
    "ToolResultData",
    "UnsupportedToolChoiceError",
    "Usage",
    "Warning",
    "provider_registry",
    "retry",
]

_HOMES = {
    "AccessDeniedError": "errors",
    "AdapterTimeout": "adapter",
    "AudioData": "content",
    "AuthenticationError": "errors",
    "Client": "client",
    "Complete": "client",
    "ConfigurationError": "errors",
    "ContentFilterError": "errors",
    "ContentKind": "content",
    "ContentPart": "content",
    "ContextLengthError": "errors",
    "DocumentData": "content",
    "FinishReason": "response",
    "ImageData": "content",
    "InvalidRequestError": "errors",
    "InvalidToolCallError": "errors",
    "Message": "message",
    "Middleware": "client",
    "NetworkError": "errors",
    "NotFoundError": "errors",
    "ProviderAdapter": "adapter",
    "ProviderData": "content",
    "ProviderError": "errors",
    "QuotaExceededError": "errors",
    "RateLimitError": "errors",
    "RateLimitInfo": "response",
    "Request": "request",
    "RequestTimeoutError": "errors",
    "Response": "response",
    "RetryPolicy": "retrying",
    "Role": "message",
    "SDKError": "errors",
    "ServerError": "errors",
    "ThinkingData": "content",
    "ToolCall": "tools",
    "ToolCallData": "content",
    "ToolChoice": "tools",
    "ToolDefinition": "tools",
    "ToolResult": "tools",
    "ToolResultData": "content",
    "UnsupportedToolChoiceError": "errors",
    "Usage": "response",
    "Warning": "response",
    "provider_registry": "client",
    "retry": "retrying",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
