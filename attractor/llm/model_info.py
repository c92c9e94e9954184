"""What is known of a model: its window, its abilities and its prices (2.9)."""

from attractor.base.dataclasses import dataclass

CAPABILITIES = ("tools", "vision", "reasoning")
"""What a model may be asked for by name."""


@dataclass(frozen=True)
class Prices:
    """What a million tokens of each sort cost, in US dollars; None is not known."""

    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None


@dataclass(frozen=True)
class PriceTier:
    """The prices of a whole call whose prompt has more tokens than these."""

    above_tokens: int
    prices: Prices


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """One model of the catalogue. Its window is what a prompt may have; None is not known."""

    id: str
    provider: str
    display_name: str
    context_window: int | None = None
    max_output: int | None = None
    supports_tools: bool = False
    supports_vision: bool = False
    supports_reasoning: bool = False
    input_cost_per_million: float | None = None
    output_cost_per_million: float | None = None
    cache_read_cost_per_million: float | None = None
    cache_write_cost_per_million: float | None = None
    price_tiers: tuple[PriceTier, ...] = ()
    aliases: tuple[str, ...] = ()

    def prices(self, prompt_tokens: int = 0) -> Prices:
        """Return what tokens cost in a call with a prompt of this size."""
        reached = [tier for tier in self.price_tiers if prompt_tokens > tier.above_tokens]
        if reached:
            return max(reached, key=lambda tier: tier.above_tokens).prices
        return Prices(
            self.input_cost_per_million,
            self.output_cost_per_million,
            self.cache_read_cost_per_million,
            self.cache_write_cost_per_million,
        )

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What it can do beside reading and writing text."""
        has = (self.supports_tools, self.supports_vision, self.supports_reasoning)
        return tuple(name for name, can in zip(CAPABILITIES, has, strict=True) if can)
