"""Tells which models can be asked to think harder or less."""

from attractor.llm.catalogue import get_model_info


def may_reason(model: str, provider: str) -> bool:
    """Tell whether a model thinks, as far as is known: one that nobody knows is tried."""
    known = get_model_info(model, provider)
    return known is None or known.supports_reasoning
