"""Checks what settings say of models: their names, and patterns of what is secret."""

import re


def require_model_name(text: str) -> str:
    """Let a model of a provider pass, and nothing else."""
    provider, slash, model = text.partition("/")
    if not (provider and slash and model):
        raise ValueError("write a model as provider/model")
    return text


def require_pattern(text: str) -> str:
    """Let a regular expression pass that is not found in every text."""
    try:
        is_everywhere = re.compile(text).match("") is not None
    except re.error as cause:
        raise ValueError(f"no regular expression: {cause}") from cause
    if is_everywhere:
        raise ValueError("this is found in every text")
    return text
