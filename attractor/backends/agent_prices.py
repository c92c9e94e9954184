"""What the calls of stages cost; of a model whose price nobody knows a run is told once."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from attractor.agent.session_state import EventEmitter, EventKind
from attractor.backends.model_choice import ModelChoice
from attractor.engine.outcome import Usage
from attractor.llm.catalogue import ModelInfo, get_model_info
from attractor.llm.errors import ConfigurationError
from attractor.llm.response import Usage as Used
from attractor.llm.response import cost_of, prompt_tokens

FindModel = Callable[[str, str], ModelInfo | None]
"""Returns what is known of a model, by its id and its provider."""

_CONSEQUENCE = "what it uses counts as tokens, and as no cost"


class _Price(NamedTuple):
    """What a call cost, or else why that is not known."""

    cost_usd: float | None
    why_not: str = ""


class Pricing:
    """Prices the calls of one run."""

    def __init__(self, find: FindModel = get_model_info) -> None:
        self._find = find
        self._told: set[str] = set()

    def price(self, used: Used, choice: ModelChoice, emit: EventEmitter) -> Usage:
        """Return what a call used, with what came from a cache; tell once what has no price."""
        price = _price(used, choice, self._find)
        if price.cost_usd is None and price.why_not not in self._told:
            self._told.add(price.why_not)
            emit(EventKind.WARNING, message=price.why_not)
        prompt = prompt_tokens(used, choice.provider)
        return Usage(prompt, used.output_tokens, price.cost_usd or 0.0)

    def answered(self, asked: ModelChoice, provider: str, model: str) -> ModelChoice:
        """Return what a call is priced by: who answered it, if another one is known to have done.

        A provider often says under which exact name it serves the model that was asked for.
        """
        if provider in ("", asked.provider) and (not model or not self._knows(provider, model)):
            return asked
        return replace(asked, provider=provider, model=model)

    def _knows(self, provider: str, model: str) -> bool:
        try:
            return self._find(model, provider) is not None
        except ConfigurationError:
            return False


class Meter:
    """Adds up what one stage uses, call by call: a call with a longer prompt may be dearer."""

    def __init__(self, pricing: Pricing, choice: ModelChoice, emit: EventEmitter) -> None:
        self._pricing, self._choice, self._emit = pricing, choice, emit
        self.total = Usage()

    def take(self, used: Used, provider: str = "", model: str = "") -> Usage:
        """Count one call, and return what it used; what answered it may not be what was asked."""
        answered = self._pricing.answered(self._choice, provider, model)
        usage = self._pricing.price(used, answered, self._emit)
        self.total += usage
        return usage


def _price(used: Used, choice: ModelChoice, find: FindModel) -> _Price:
    named = f"the model {choice.model} of {choice.provider}"
    try:
        model = find(choice.model, choice.provider)
    except ConfigurationError as error:
        return _Price(None, f"what models cost is not known: {error.message}; {error.hint}")
    if model is None:
        return _Price(None, f"the catalogue does not know {named}: {_CONSEQUENCE}")
    return _Price(cost_of(used, model), f"the catalogue has no price for {named}: {_CONSEQUENCE}")
