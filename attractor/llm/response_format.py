"""The form an answer is to have: words, JSON, or JSON by a schema (3.10)."""

import json

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.llm.errors import ConfigurationError

NOT_ENFORCED = "schema_not_enforced"
"""The code of the warning that nothing but words holds the model to a schema."""

_TYPES = ("text", "json", "json_schema")


@dataclass(frozen=True)
class ResponseFormat:
    """Which form; with `strict` the provider is to hold the model to the schema where it can."""

    type: str
    json_schema: JsonObject | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        if self.type not in _TYPES:
            raise ConfigurationError(
                f"there is no response format {self.type!r}", hint=f"one of {', '.join(_TYPES)}"
            )
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ConfigurationError(
                f"the response format {self.type!r} "
                + ("has no schema" if self.json_schema is None else "has a schema"),
                hint="'json_schema' takes a json_schema, and nothing else does",
            )
        if self.json_schema is not None and self.json_schema.get("type") != "object":
            raise ConfigurationError(
                "the schema of the answer is not one of an object",
                hint='its root says "type": "object"; put anything else into a property',
            )


def format_in_words(wanted: ResponseFormat | None) -> str:
    """Ask for the form in words, for a provider that has no other way; nothing for plain text."""
    if wanted is None or wanted.type == "text":
        return ""
    asked = (
        "Answer with one JSON object and nothing else: no words around it, no code fence, no "
        "comments."
    )
    if wanted.json_schema is None:
        return asked
    schema = json.dumps(wanted.json_schema, ensure_ascii=False, default=str)
    return f"{asked} The object has to be valid against this JSON Schema:\n\n{schema}"
