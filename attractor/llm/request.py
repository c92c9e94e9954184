"""What is asked of a model (3.6).

The form an answer is to have: words, JSON, or JSON by a schema (3.10).

Adds a provider's own options to a request's body (3.6).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.errors import ConfigurationError
from attractor.llm.messages import Message
from attractor.llm.tools import ToolChoice, ToolDefinition, check_tools

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


@dataclass(frozen=True)
class Request:
    """One call to a model; what is None is left to the provider."""

    model: str
    messages: Sequence[Message]
    provider: str | None = None
    tools: Sequence[ToolDefinition] = ()
    tool_choice: ToolChoice | None = None
    response_format: ResponseFormat | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop_sequences: Sequence[str] = ()
    reasoning_effort: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    provider_options: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])

    def __post_init__(self) -> None:
        # What is optional by the specification may be given as None.
        for name in ("tools", "stop_sequences"):
            object.__setattr__(self, name, getattr(self, name) or ())
        for name in ("metadata", "provider_options"):
            object.__setattr__(self, name, getattr(self, name) or {})
        check_tools(self.tools)

    def options_for(self, provider: str) -> JsonObject:
        """Return what is meant for one provider alone."""
        return self.provider_options.get(provider, {})


def merge_options(body: JsonObject, options: JsonObject) -> dict[str, Json]:
    """Return the body with the options in it: objects and lists grow, all else is replaced."""
    return {**body, **{key: _merged(body.get(key), value) for key, value in options.items()}}


def _merged(ours: Json, theirs: Json) -> Json:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return merge_options(ours, theirs)
    if isinstance(ours, list) and isinstance(theirs, list):
        return [*ours, *theirs]
    return theirs
