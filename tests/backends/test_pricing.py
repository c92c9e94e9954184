from collections.abc import Sequence
from dataclasses import replace

from attractor.agent.events import EventEmitter, EventKind, SessionEvent
from attractor.backends.models import ModelChoice
from attractor.backends.pricing import Meter, Pricing
from attractor.base.clock import SystemClock
from attractor.engine.outcome import Usage
from attractor.llm import ConfigurationError, ModelInfo, Prices, PriceTier
from attractor.llm.response import Usage as Used
from tests.tables import table

CHOICE = ModelChoice("openai", "gpt-x")
LONG = PriceTier(1_000, Prices(input=20.0, output=20.0))
PRICED = ModelInfo(
    id="gpt-x",
    provider="openai",
    display_name="X",
    input_cost_per_million=10.0,
    output_cost_per_million=10.0,
    price_tiers=(LONG,),
)
UNPRICED = ModelInfo(id="gpt-x", provider="openai", display_name="X")


class Listener:
    """Records session events."""

    def __init__(self) -> None:
        self.events: list[SessionEvent] = []
        self.emit = EventEmitter("s", SystemClock(), self.events.append)

    @property
    def warnings(self) -> Sequence[str]:
        assert all(one.kind is EventKind.WARNING for one in self.events)
        return [str(one.data["message"]) for one in self.events]


def pricing_of(model: ModelInfo | None) -> Pricing:
    return Pricing(lambda model_id, provider: model)


def test_calls_are_priced_one_by_one_and_added_up() -> None:
    listener = Listener()
    meter = Meter(pricing_of(PRICED), CHOICE, listener.emit)
    # Each prompt is below the tier for long prompts; the sum of both is above it.
    assert meter.take(Used(900, 100)) == Usage(900, 100, 0.01)
    meter.take(Used(900, 100))
    assert meter.total == Usage(1_800, 200, 0.02)
    meter.take(Used(1_100, 0))
    assert meter.total == Usage(2_900, 200, 0.01 + 0.01 + 0.022)
    assert listener.warnings == []


def test_unknown_model_is_reported_once_for_all_stages() -> None:
    pricing, first, second = pricing_of(None), Listener(), Listener()
    for listener in (first, second):
        meter = Meter(pricing, CHOICE, listener.emit)
        meter.take(Used(900, 100))
        assert meter.take(Used(900, 100)) == Usage(900, 100, unpriced_tokens=1000)
    [warning] = first.warnings
    assert warning.startswith("the catalogue does not contain the model gpt-x of openai")
    assert "its cost counts as 0" in warning
    assert second.warnings == []
    pricing.price(Used(1, 1), "openai", ["gpt-y"], second.emit)
    assert len(second.warnings) == 1


def test_model_without_a_price_is_reported() -> None:
    listener = Listener()
    usage = pricing_of(UNPRICED).price(Used(9, 1), "openai", ["gpt-x"], listener.emit)
    assert usage == Usage(9, 1, unpriced_tokens=10)
    [warning] = listener.warnings
    assert warning.startswith("the catalogue has no price for the model gpt-x of openai")


def test_unreadable_catalogue_is_reported_once_and_ends_no_stage() -> None:
    def fail(model_id: str, provider: str) -> ModelInfo | None:
        raise ConfigurationError("the table is damaged", hint="install it anew")

    pricing, listener = Pricing(fail), Listener()
    usage = pricing.price(Used(9, 1), "openai", ["gpt-x"], listener.emit)
    assert usage == Usage(9, 1, unpriced_tokens=10)
    pricing.price(Used(9, 1), "openai", ["gpt-y"], listener.emit)
    assert listener.warnings == ["model prices are unknown: the table is damaged; install it anew"]


def test_the_shipped_catalogue_has_the_prices() -> None:
    listener = Listener()
    usage = Pricing().price(Used(900, 100), "openai", ["gpt-5.2"], listener.emit)
    assert usage.cost_usd > 0
    assert listener.warnings == []


@table(
    ("provider", "model", "cost"),
    [
        ("", "", 0.01),
        ("openai", "gpt-x", 0.01),
        # The model name in an answer may differ from the requested name.
        ("openai", "gpt-x-2026-01-01", 0.01),
        ("openai", "gpt-cheap", 0.001),
        ("anthropic", "claude-cheap", 0.001),
        ("anthropic", "gpt-x", 0.0),
    ],
)
def test_call_is_priced_by_the_answering_model(provider: str, model: str, cost: float) -> None:
    cheap = replace(PRICED, input_cost_per_million=1.0, output_cost_per_million=1.0)
    known = {
        ("gpt-x", "openai"): PRICED,
        ("gpt-cheap", "openai"): cheap,
        ("claude-cheap", "anthropic"): cheap,
    }
    pricing = Pricing(lambda model_id, of: known.get((model_id, of)))
    meter = Meter(pricing, CHOICE, Listener().emit)
    assert meter.take(Used(900, 100), provider, model).cost_usd == cost


@table(("provider", "prompt"), [("openai", 900), ("anthropic", 1_000)])
def test_cached_tokens_are_part_of_the_prompt(provider: str, prompt: int) -> None:
    meter = Meter(pricing_of(None), ModelChoice(provider, "any"), Listener().emit)
    used = Used(900, 100, cache_read_tokens=60, cache_write_tokens=40)
    assert meter.take(used).input_tokens == prompt
