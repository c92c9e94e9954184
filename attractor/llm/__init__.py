"""One client for every model: messages in, an answer out, each provider by its own interface.

This door is light: what stands behind a name is imported when the name is first asked for.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from attractor.llm.abort import AbortController, AbortSignal
    from attractor.llm.adapter import AdapterTimeout, ProviderAdapter
    from attractor.llm.catalogue import get_latest_model, get_model_info, list_models
    from attractor.llm.client import (
        Client,
        Complete,
        Middleware,
        Stream,
        StreamMiddleware,
        provider_registry,
    )
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
    from attractor.llm.default_client import set_default_client
    from attractor.llm.errors import (
        AbortError,
        AccessDeniedError,
        AuthenticationError,
        ConfigurationError,
        ContentFilterError,
        ContextLengthError,
        CostLimitError,
        InvalidRequestError,
        InvalidToolCallError,
        NetworkError,
        NoObjectGeneratedError,
        NotCachedError,
        NotFoundError,
        ProviderError,
        QuotaExceededError,
        RateLimitError,
        RequestTimeoutError,
        SDKError,
        ServerError,
        StreamError,
        UnsupportedToolChoiceError,
    )
    from attractor.llm.generate_result import GenerateResult, StepResult
    from attractor.llm.generating import generate
    from attractor.llm.generating_object_streams import ObjectStreamResult, stream_object
    from attractor.llm.generating_objects import generate_object
    from attractor.llm.generating_streams import stream
    from attractor.llm.generation import GenerateOptions, RepairToolCall, StopCondition
    from attractor.llm.message import Message, Role
    from attractor.llm.model_info import ModelInfo, Prices, PriceTier
    from attractor.llm.providers.anthropic import AnthropicAdapter
    from attractor.llm.providers.gemini import GeminiAdapter
    from attractor.llm.providers.litellm import LiteLLMAdapter
    from attractor.llm.providers.openai import OpenAIAdapter
    from attractor.llm.providers.openai_compatible import OpenAICompatibleAdapter
    from attractor.llm.request import Request
    from attractor.llm.response import FinishReason, RateLimitInfo, Response, Usage, Warning
    from attractor.llm.response_format import ResponseFormat
    from attractor.llm.retrying import RetryPolicy, retry
    from attractor.llm.stream_accumulator import StreamAccumulator
    from attractor.llm.stream_event import StreamEvent, StreamEventType, StreamStart
    from attractor.llm.stream_result import StreamResult
    from attractor.llm.time_limits import TimeoutConfig
    from attractor.llm.tools import Tool, ToolCall, ToolChoice, ToolDefinition, ToolResult
    from attractor.llm.waiting import (
        generate_object_sync,
        generate_sync,
        stream_object_sync,
        stream_sync,
    )
    from attractor.llm.waiting_streams import SyncObjectStreamResult, SyncStreamResult

__all__ = [
    "AbortController",
    "AbortError",
    "AbortSignal",
    "AccessDeniedError",
    "AdapterTimeout",
    "AnthropicAdapter",
    "AudioData",
    "AuthenticationError",
    "Client",
    "Complete",
    "ConfigurationError",
    "ContentFilterError",
    "ContentKind",
    "ContentPart",
    "ContextLengthError",
    "CostLimitError",
    "DocumentData",
    "FinishReason",
    "GeminiAdapter",
    "GenerateOptions",
    "GenerateResult",
    "ImageData",
    "InvalidRequestError",
    "InvalidToolCallError",
    "LiteLLMAdapter",
    "Message",
    "Middleware",
    "ModelInfo",
    "NetworkError",
    "NoObjectGeneratedError",
    "NotCachedError",
    "NotFoundError",
    "ObjectStreamResult",
    "OpenAIAdapter",
    "OpenAICompatibleAdapter",
    "PriceTier",
    "Prices",
    "ProviderAdapter",
    "ProviderData",
    "ProviderError",
    "QuotaExceededError",
    "RateLimitError",
    "RateLimitInfo",
    "RepairToolCall",
    "Request",
    "RequestTimeoutError",
    "Response",
    "ResponseFormat",
    "RetryPolicy",
    "Role",
    "SDKError",
    "ServerError",
    "StepResult",
    "StopCondition",
    "Stream",
    "StreamAccumulator",
    "StreamError",
    "StreamEvent",
    "StreamEventType",
    "StreamMiddleware",
    "StreamResult",
    "StreamStart",
    "SyncObjectStreamResult",
    "SyncStreamResult",
    "ThinkingData",
    "TimeoutConfig",
    "Tool",
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
    "generate",
    "generate_object",
    "generate_object_sync",
    "generate_sync",
    "get_latest_model",
    "get_model_info",
    "list_models",
    "provider_registry",
    "retry",
    "set_default_client",
    "stream",
    "stream_object",
    "stream_object_sync",
    "stream_sync",
]

_HOMES = {
    "AbortController": "abort",
    "AbortError": "errors",
    "AbortSignal": "abort",
    "AccessDeniedError": "errors",
    "AdapterTimeout": "adapter",
    "AnthropicAdapter": "providers.anthropic",
    "AudioData": "content",
    "AuthenticationError": "errors",
    "Client": "client",
    "Complete": "client",
    "ConfigurationError": "errors",
    "ContentFilterError": "errors",
    "ContentKind": "content",
    "ContentPart": "content",
    "ContextLengthError": "errors",
    "CostLimitError": "errors",
    "DocumentData": "content",
    "FinishReason": "response",
    "GeminiAdapter": "providers.gemini",
    "GenerateOptions": "generation",
    "GenerateResult": "generate_result",
    "ImageData": "content",
    "InvalidRequestError": "errors",
    "InvalidToolCallError": "errors",
    "LiteLLMAdapter": "providers.litellm",
    "Message": "message",
    "Middleware": "client",
    "ModelInfo": "model_info",
    "NetworkError": "errors",
    "NoObjectGeneratedError": "errors",
    "NotCachedError": "errors",
    "NotFoundError": "errors",
    "ObjectStreamResult": "generating_object_streams",
    "OpenAIAdapter": "providers.openai",
    "OpenAICompatibleAdapter": "providers.openai_compatible",
    "PriceTier": "model_info",
    "Prices": "model_info",
    "ProviderAdapter": "adapter",
    "ProviderData": "content",
    "ProviderError": "errors",
    "QuotaExceededError": "errors",
    "RateLimitError": "errors",
    "RateLimitInfo": "response",
    "RepairToolCall": "generation",
    "Request": "request",
    "RequestTimeoutError": "errors",
    "Response": "response",
    "ResponseFormat": "response_format",
    "RetryPolicy": "retrying",
    "Role": "message",
    "SDKError": "errors",
    "ServerError": "errors",
    "StepResult": "generate_result",
    "StopCondition": "generation",
    "Stream": "client",
    "StreamAccumulator": "stream_accumulator",
    "StreamError": "errors",
    "StreamEvent": "stream_event",
    "StreamEventType": "stream_event",
    "StreamMiddleware": "client",
    "StreamResult": "stream_result",
    "StreamStart": "stream_event",
    "SyncObjectStreamResult": "waiting_streams",
    "SyncStreamResult": "waiting_streams",
    "ThinkingData": "content",
    "TimeoutConfig": "time_limits",
    "Tool": "tools",
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
    "generate": "generating",
    "generate_object": "generating_objects",
    "generate_object_sync": "waiting",
    "generate_sync": "waiting",
    "get_latest_model": "catalogue",
    "get_model_info": "catalogue",
    "list_models": "catalogue",
    "provider_registry": "client",
    "retry": "retrying",
    "set_default_client": "default_client",
    "stream": "generating_streams",
    "stream_object": "generating_object_streams",
    "stream_object_sync": "waiting",
    "stream_sync": "waiting",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
