"""Reads what litellm adds to Chat Completions: signed thoughts, and tokens of a cache (7.5)."""

from collections.abc import Iterator
from dataclasses import replace

from attractor.base.json import JsonObject
from attractor.llm.content import ContentKind, ContentPart, ProviderData, ThinkingData
from attractor.llm.fields import Fields
from attractor.llm.providers import chat_response
from attractor.llm.providers.chat_response import Speaker, objects_or_none
from attractor.llm.response import Usage

BLOCKS = "thinking_blocks"
"""The field in which litellm tells thoughts that have to be given back as they came."""

# The provider itself tells its cached tokens beside the others, and so they are priced (3.9).
_CACHED_BESIDE_INPUT = "anthropic"


def speaker_of(name: str, provider: str, route: str, model: str) -> Speaker:
    """Return how a provider is read: asked under a name of ours, and by a route of litellm's."""

    def rename(told: str) -> str:
        bare = told.removeprefix(f"{route}/").removeprefix(f"{provider}/")
        return bare if name == provider else f"{provider}/{bare}"

    def read_usage(usage: Fields) -> Usage:
        # What the provider itself told is not among what litellm counts.
        read = replace(chat_response.read_usage(usage), raw=None)
        written = usage.object("prompt_tokens_details").count_or_none("cache_creation_tokens")
        fresh = read.input_tokens
        if provider == _CACHED_BESIDE_INPUT:
            fresh = max(0, fresh - (read.cache_read_tokens or 0) - (written or 0))
        return replace(read, input_tokens=fresh, cache_write_tokens=written)

    return Speaker(name, model, rename, _thoughts, read_usage)


def _thoughts(message: Fields, provider: str) -> Iterator[ContentPart]:
    blocks = objects_or_none(message, BLOCKS)
    for block in blocks:
        yield _block(block.raw, ProviderData(provider, block.raw))
    if not blocks:
        # Nobody signed them, and they are not given back.
        for part in chat_response.read_thoughts(message, provider):
            yield replace(part, provider_data=None)


def _block(block: JsonObject, kept: ProviderData) -> ContentPart:
    if block.get("type") == "redacted_thinking":
        hidden = ThinkingData(str(block.get("data") or ""), redacted=True)
        return ContentPart(ContentKind.REDACTED_THINKING, thinking=hidden, provider_data=kept)
    signature = str(block.get("signature") or "") or None
    shown = ThinkingData(str(block.get("thinking") or ""), signature)
    return ContentPart(ContentKind.THINKING, thinking=shown, provider_data=kept)
