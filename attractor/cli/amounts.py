"""Says what was used of models, for people."""

from attractor.engine.outcome import Usage


def cost_of(usage: Usage) -> str:
    """Return what was used of models."""
    tokens = f"{usage.tokens} tokens"
    return f"${usage.cost_usd:.4f}, {tokens}" if usage.cost_usd else tokens
