"""Asks a model one short question, to see whether it answers and what that takes."""

from collections.abc import Mapping

from attractor.agent.provider_profile import find_provider
from attractor.backends.models import ModelChoice, is_provider, key_remedy
from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName, UsageError
from attractor.base.json import Json
from attractor.llm.catalogue import ModelInfo
from attractor.llm.client import Client, provider_registry
from attractor.llm.messages import Message
from attractor.llm.request import Request
from attractor.llm.response import Response, cost_of

QUESTION = "Answer with one word: ready"
_CLOCK = SystemClock()


@dataclass(frozen=True)
class Trial:
    """What one call took, and what came back; a cost of None is not known."""

    choice: ModelChoice
    seconds: float
    cost_usd: float | None
    response: Response

    def to_record(self) -> dict[str, Json]:
        """Return it for a program."""
        usage = self.response.usage
        return {
            "model": self.choice.model,
            "provider": self.choice.provider,
            "answered_by": self.response.model,
            "seconds": round(self.seconds, 3),
            "text": self.response.text,
            "usage": {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "reasoning_tokens": usage.reasoning_tokens,
                "cache_read_tokens": usage.cache_read_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
            },
            "cost_usd": self.cost_usd,
        }


def choose(model: str, known: ModelInfo | None, provider: str) -> ModelChoice:
    """Return whom to ask for which model; a short name stands for the model's id."""
    providers = provider_registry()
    serves = provider or (known.provider if known else find_provider(model))
    if not serves:
        raise UsageError(
            f"nothing says which provider serves the model {model!r}",
            hint=f"add --provider, one of: {', '.join(sorted(providers))}",
        )
    if not is_provider(serves):
        raise UnknownName("provider", serves, providers)
    # By a provider that serves others a model goes by its whole name.
    is_its_own = known is not None and known.provider == serves
    return ModelChoice(serves, known.id if known and is_its_own else model)


async def try_once(
    choice: ModelChoice,
    known: ModelInfo | None,
    environ: Mapping[str, str],
    clock: Clock = _CLOCK,
) -> Trial:
    """Make the call, once: what fails is told as it is."""
    async with Client.from_env(environ) as client:
        if not client.can_ask(choice.provider):
            raise UsageError(
                f"the key of the provider {choice.provider!r} is not set",
                hint=key_remedy(choice.provider),
            )
        asked = Request(choice.model, [Message.user(QUESTION)], provider=choice.provider)
        began = clock.monotonic()
        response = await client.complete(asked)
        seconds = clock.monotonic() - began
    cost = cost_of(response.usage, known) if known else None
    return Trial(choice, seconds, cost, response)
