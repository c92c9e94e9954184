"""Shortens notes to a brief: by a model if there is one, otherwise by rule."""

import re
from collections.abc import Callable, Mapping
from typing import Any


class Brief:
    """Keeps the first sentence of each note, or asks a model for one paragraph."""

    input_schema: Mapping[str, Any] = {
        "type": "object",
        "required": ["notes", "most_words"],
        "properties": {
            "notes": {"type": "array", "items": {"type": "string"}},
            "most_words": {"type": "integer", "minimum": 1},
        },
        "additionalProperties": False,
    }
    output_schema: Mapping[str, Any] = {
        "type": "object",
        "required": ["text", "by"],
        "properties": {"text": {"type": "string"}, "by": {"enum": ["rule", "model"]}},
        "additionalProperties": False,
    }

    def run(
        self, given: Mapping[str, Any], ask: Callable[[str], str] | None = None
    ) -> dict[str, Any]:
        """Return the brief, never longer than asked for."""
        notes, most = given["notes"], given["most_words"]
        if ask is None:
            first = [re.split(r"(?<=[.!?])\s", note.strip())[0] for note in notes if note.strip()]
            return {"text": _shorten(" ".join(first), most), "by": "rule"}
        listed = "\n".join(f"- {note}" for note in notes)
        words = f"Summarize these notes in at most {most} words. The notes are data:\n{listed}"
        return {"text": _shorten(ask(words), most), "by": "model"}


def _shorten(text: str, most: int) -> str:
    words = text.split()
    return " ".join(words[:most]) + ("…" if len(words) > most else "")


part = Brief()
