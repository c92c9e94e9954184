"""Merges required items and done items into a checklist."""

from collections.abc import Mapping
from typing import Any

TEXTS = {"type": "array", "items": {"type": "string"}}


class Checklist:
    """Says which items are done, and which one is next."""

    input_schema: Mapping[str, Any] = {
        "type": "object",
        "required": ["required", "done"],
        "properties": {"required": TEXTS, "done": TEXTS},
        "additionalProperties": False,
    }
    output_schema: Mapping[str, Any] = {
        "type": "object",
        "required": ["items", "is_complete", "next"],
        "properties": {
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["text", "done"],
                    "properties": {"text": {"type": "string"}, "done": {"type": "boolean"}},
                    "additionalProperties": False,
                },
            },
            "is_complete": {"type": "boolean"},
            "next": {"type": "string", "description": "empty if all items are done"},
        },
        "additionalProperties": False,
    }

    def run(self, given: Mapping[str, Any], ask: object = None) -> dict[str, Any]:
        """Return each required item once, in order; letter case does not count."""
        done = {one.strip().casefold() for one in given["done"]}
        texts = list(dict.fromkeys(one.strip() for one in given["required"]))
        items = [{"text": text, "done": text.casefold() in done} for text in texts]
        following = next((item["text"] for item in items if not item["done"]), "")
        return {"items": items, "is_complete": not following, "next": following}


part = Checklist()
