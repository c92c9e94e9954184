"""Computes the usage and cost of the model calls of a run."""

from collections.abc import Sequence
from dataclasses import replace

from attractor.agent.events import EventEmitter, EventKind
from attractor.backends.models import ModelChoice
from attractor.base.amounts import number_of
from attractor.engine.outcome import Usage
from attractor.llm.catalogue import FindModel, get_model_info
from attractor.llm.response import Usage as Used, price_call, prompt_tokens


class Pricing:
    """Prices the calls of one run."""

    def __init__(self, find: FindModel = get_model_info) -> None:
        self._find = find
        self._warned: set[str] = set()

    def price(
        self, used: Used, provider: str, models: Sequence[str], emit: EventEmitter | None
    ) -> Usage:
        """Return the usage and cost of a call; with `emit`, warn once per unknown price."""
        price = price_call(used, provider, models, self._find)
        if emit and price.cost_usd is None and price.why_not not in self._warned:
            self._warned.add(price.why_not)
            emit(EventKind.WARNING, message=price.why_not)
        prompt = prompt_tokens(used, provider)
        usage = Usage(prompt, used.output_tokens, price.cost_usd or 0.0)
        return usage if price.cost_usd is not None else replace(usage, unpriced_tokens=usage.tokens)


class Meter:
    """Adds up the usage of a stage, call by call, because longer prompts can cost more
    per token.
    """

    def __init__(self, pricing: Pricing, asked: ModelChoice, emit: EventEmitter) -> None:
        self._pricing, self._asked, self._emit = pricing, asked, emit
        self.total = Usage()

    def take(
        self, used: Used, provider: str = "", *models: str, is_estimated: bool = False
    ) -> Usage:
        """Count a call and return the usage of the call; warn of the first estimate.

        `models` begin with the model that answered, which can differ from the requested model.
        """
        usage = self._price(used, provider, models, self._emit)
        if is_estimated:
            usage = replace(usage, estimated_tokens=usage.tokens)
            if not self.total.estimated_tokens:
                tokens = number_of(usage.tokens, "token")
                message = f"an answer ended without its usage: estimated {tokens}"
                self._emit(EventKind.WARNING, message=message)
        self.total += usage
        return usage

    def estimate(self, used: Used, provider: str = "", *models: str) -> Usage:
        """Return the estimated usage of a call that begins; it does not count."""
        usage = self._price(used, provider, models, None)
        return replace(usage, estimated_tokens=usage.tokens)

    def _price(
        self, used: Used, provider: str, models: Sequence[str], emit: EventEmitter | None
    ) -> Usage:
        asked = self._asked
        provider = provider or asked.provider
        if provider == asked.provider and (asked.model or not models):
            models = (*models, asked.model)
        return self._pricing.price(used, provider, models, emit)
