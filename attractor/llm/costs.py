"""What a call to a model cost, from what it used."""

from attractor.llm.model_info import ModelInfo
from attractor.llm.response import Usage

_MILLION = 1_000_000
# Their `input_tokens` are those that came from no cache and went into none (3.9).
_CACHED_BESIDE_INPUT = frozenset({"anthropic"})


def usage_of(prompt: int, answer: int, *, cached: int, model: ModelInfo) -> Usage:
    """Return the usage of a call of a known size, as the provider of the model would tell it."""
    beside = model.provider in _CACHED_BESIDE_INPUT
    fresh = prompt - cached if beside else prompt
    return Usage(input_tokens=fresh, output_tokens=answer, cache_read_tokens=cached)


def prompt_tokens(usage: Usage, provider: str) -> int:
    """Return how long the prompt of a call was, whatever of it came from a cache or went into one.

    Anthropic's `input_tokens` are what is left of it.
    """
    cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    return usage.input_tokens + cached * (provider in _CACHED_BESIDE_INPUT)


def cost_of(usage: Usage, model: ModelInfo) -> float | None:
    """Return what one call cost in US dollars; None where a price is not known.

    Usages of several calls are not to be added up before: a longer prompt may be dearer. What was
    thought is part of the output. Where the cache has no price of its own, its tokens cost what
    others cost.
    """
    read, written = usage.cache_read_tokens or 0, usage.cache_write_tokens or 0
    fresh = max(0, prompt_tokens(usage, model.provider) - read - written)
    prices = model.prices(fresh + read + written)
    if prices.input is None or prices.output is None:
        return None
    cost = fresh * prices.input + usage.output_tokens * prices.output
    cost += read * (prices.input if prices.cache_read is None else prices.cache_read)
    cost += written * (prices.input if prices.cache_write is None else prices.cache_write)
    return round(cost / _MILLION, 12)
