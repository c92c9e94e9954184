import pytest

from attractor.llm import ModelInfo, Prices, PriceTier, Usage, cost_of
from attractor.llm.costs import usage_of


def priced(provider: str = "openai", *tiers: PriceTier, **prices: float) -> ModelInfo:
    return ModelInfo(
        id="m",
        provider=provider,
        display_name="M",
        input_cost_per_million=prices.get("input"),
        output_cost_per_million=prices.get("output"),
        cache_read_cost_per_million=prices.get("cache_read"),
        cache_write_cost_per_million=prices.get("cache_write"),
        price_tiers=tiers,
    )


def test_input_and_output_have_prices_of_their_own() -> None:
    assert cost_of(Usage(900, 100), priced(input=1.75, output=14)) == 0.002975


@pytest.mark.parametrize("known", ["nothing", "input", "output"])
def test_a_price_that_is_not_known_is_no_price_of_nothing(known: str) -> None:
    assert cost_of(Usage(900, 100), priced("openai", **{known: 1.0})) is None


def test_what_is_free_costs_nothing() -> None:
    assert cost_of(Usage(900, 100), priced(input=0, output=0)) == 0.0


@pytest.mark.parametrize("provider", ["openai", "gemini", "elsewhere"])
def test_what_came_from_the_cache_is_a_part_of_the_input(provider: str) -> None:
    used = Usage(1_000, 0, cache_read_tokens=800)
    assert cost_of(used, priced(provider, input=10, output=1, cache_read=1)) == 0.0028


def test_of_anthropic_cached_tokens_stand_beside_the_input() -> None:
    used = Usage(200, 0, cache_read_tokens=800, cache_write_tokens=400)
    prices = {"input": 10.0, "output": 1.0, "cache_read": 1.0, "cache_write": 12.5}
    assert cost_of(used, priced("anthropic", **prices)) == 0.0078


def test_a_cache_without_a_price_costs_what_other_input_does() -> None:
    used = Usage(1_000, 0, cache_read_tokens=800)
    assert cost_of(used, priced(input=10, output=1)) == 0.01


def test_what_was_thought_is_paid_once_as_output() -> None:
    used = Usage(0, 1_000, reasoning_tokens=900)
    assert cost_of(used, priced(input=1, output=10)) == 0.01


@pytest.mark.parametrize(
    ("provider", "used"),
    [
        ("openai", Usage(300, 100, cache_read_tokens=200)),
        ("anthropic", Usage(100, 100, cache_read_tokens=200)),
    ],
)
def test_a_long_prompt_makes_all_of_the_call_dearer(provider: str, used: Usage) -> None:
    dear = Prices(input=20, output=20, cache_read=2)
    prices = {"input": 10.0, "output": 10.0, "cache_read": 1.0}
    assert cost_of(used, priced(provider, PriceTier(299, dear), **prices)) == 0.0044
    assert cost_of(used, priced(provider, PriceTier(300, dear), **prices)) == 0.0022


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_the_same_call_costs_the_same_however_its_provider_counts(provider: str) -> None:
    model = priced(provider, input=2.0, output=10.0, cache_read=0.5)
    used = usage_of(1_000_000, 100_000, cached=600_000, model=model)
    assert cost_of(used, model) == 0.4 * 2 + 0.6 * 0.5 + 0.1 * 10
