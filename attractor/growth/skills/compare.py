"""Compares candidates by weighted criteria."""

from collections.abc import Mapping
from typing import Any

NUMBERS = {"type": "object", "additionalProperties": {"type": "number"}}


class Compare:
    """Scores each candidate between 0 and 1, and names the best one."""

    input_schema: Mapping[str, Any] = {
        "type": "object",
        "required": ["weights", "candidates"],
        "properties": {
            "weights": {**NUMBERS, "minProperties": 1, "description": "negative: less is better"},
            "candidates": {"type": "object", "minProperties": 1, "additionalProperties": NUMBERS},
        },
        "additionalProperties": False,
    }
    output_schema: Mapping[str, Any] = {
        "type": "object",
        "required": ["best", "scores"],
        "properties": {"best": {"type": "string"}, "scores": NUMBERS},
        "additionalProperties": False,
    }

    def run(self, given: Mapping[str, Any], ask: object = None) -> dict[str, Any]:
        """Return the scores; a missing value counts as the worst one."""
        weights, candidates = given["weights"], given["candidates"]
        total = sum(abs(weight) for weight in weights.values()) or 1
        scores = {
            name: round(
                sum(
                    abs(weight) * _share(key, weight, values, candidates)
                    for key, weight in weights.items()
                )
                / total,
                4,
            )
            for name, values in candidates.items()
        }
        best = min(scores, key=lambda name: (-scores[name], name))
        return {"best": best, "scores": scores}


def _share(
    key: str, weight: float, values: Mapping[str, float], candidates: Mapping[str, Any]
) -> float:
    """Return how good a value is among all candidates, from 0 to 1."""
    known = [candidate[key] for candidate in candidates.values() if key in candidate]
    if key not in values:
        return 0.0
    low, high = min(known), max(known)
    share = (values[key] - low) / (high - low) if high > low else 1.0
    return share if weight >= 0 or high == low else 1.0 - share


part = Compare()
