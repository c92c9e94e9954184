"""Orders items by urgency: overdue first, then by due date and weight."""

from collections.abc import Mapping
from typing import Any

ITEM = {
    "type": "object",
    "required": ["id", "title"],
    "properties": {
        "id": {"type": "string"},
        "title": {"type": "string"},
        "due": {"type": "string", "description": "a date, YYYY-MM-DD"},
        "weight": {"type": "number"},
    },
    "additionalProperties": False,
}


class Triage:
    """Puts each item into a class, and orders all of them."""

    input_schema: Mapping[str, Any] = {
        "type": "object",
        "required": ["today", "items"],
        "properties": {
            "today": {"type": "string"},
            "items": {"type": "array", "items": ITEM},
        },
        "additionalProperties": False,
    }
    output_schema: Mapping[str, Any] = {
        "type": "object",
        "required": ["items"],
        "properties": {
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["id", "class"],
                    "properties": {
                        "id": {"type": "string"},
                        "class": {"enum": ["overdue", "today", "later", "undated"]},
                    },
                    "additionalProperties": False,
                },
            }
        },
        "additionalProperties": False,
    }

    def run(self, given: Mapping[str, Any], ask: object = None) -> dict[str, Any]:
        """Return the ids with their classes, the most urgent first."""
        today = given["today"]
        ordered = sorted(
            given["items"],
            key=lambda one: ("due" not in one, one.get("due", ""), -one.get("weight", 0)),
        )
        return {"items": [{"id": one["id"], "class": _class(one, today)} for one in ordered]}


def _class(item: Mapping[str, Any], today: str) -> str:
    due = item.get("due")
    if due is None:
        return "undated"
    return "overdue" if due < today else "today" if due == today else "later"


part = Triage()
