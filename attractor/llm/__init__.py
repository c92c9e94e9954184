"""One client for every model: messages in, an answer out, each provider by its own interface.

This door is light: what stands behind a name is imported when the name is first asked for.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attractor.llm.adapter import AdapterTimeout, ProviderAdapter
    from attractor.llm.catalogue import get_latest_model, get_model_info, list_models
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
    from attractor.llm.costs import cost_of
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
    from attractor.llm.model_info import ModelInfo, Prices, PriceTier
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
    "ModelInfo",
    "NetworkError",
    "NotFoundError",
    "PriceTier",
    "Prices",
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
    "cost_of",
    "get_latest_model",
    "get_model_info",
    "list_models",
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
    "ModelInfo": "model_info",
    "NetworkError": "errors",
    "NotFoundError": "errors",
    "PriceTier": "model_info",
    "Prices": "model_info",
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
    "cost_of": "costs",
    "get_latest_model": "catalogue",
    "get_model_info": "catalogue",
    "list_models": "catalogue",
    "provider_registry": "client",
    "retry": "retrying",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
