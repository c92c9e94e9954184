"""The draft of a service twin for a declared adapter: each operation has a made-up answer."""

import json
from collections.abc import Mapping
from typing import Any

from attractor.base.json import Json
from attractor.factory.registration.first_suite import toml_text
from attractor.growth.http_client import Operation

_HEAD = """\
# Drafted from the specification: the answers are made up. Write what the service really answers.
# Try it: attractor twin serve scenarios/_twins/{name}
name = "{name}"
summary = "The service {name}"

[environ]
{variable}_URL = "{{{{ url }}}}"
{variable}_TOKEN = "{{{{ key }}}}"

[auth]
kind = "bearer"
key = "twin-{name}"
"""
_TEXT = "text"
_EXAMPLES: Mapping[str, Json] = {"integer": 1, "number": 1.5, "boolean": True}


def twin_text(
    name: str, operations: Mapping[str, Operation], answers: Mapping[str, Json] | None = None
) -> str:
    """Return the text of the file of a twin, with these answers (default: made-up ones)."""
    known = answers or {}
    routes = [
        f'\n[[routes]]\nname = "{key}"\nmethod = "{one.method}"\npath = "{one.path}"\n'
        f'kind = "fixed"\njson = {_toml(known.get(key, example(one.output_schema)))}\n'
        for key, one in operations.items()
    ]
    return _HEAD.format(name=name, variable=name.upper()) + "".join(routes)


def example(schema: Mapping[str, Any]) -> Json:
    """Return a value that a schema of a declared adapter allows."""
    match schema["type"]:
        case "object":
            members: Mapping[str, Any] = schema.get("properties", {})
            return {key: example(one) for key, one in members.items()}
        case "array":
            return [example(schema["items"])] if "items" in schema else []
        case "string":
            return _TEXT.ljust(schema.get("minLength", 0), ".")
        case other:
            return _EXAMPLES[other]


def _toml(value: Json) -> str:
    """Return a value as TOML in one line; there is no null."""
    if isinstance(value, dict):
        members = [f"{toml_text(key)} = {_toml(one)}" for key, one in value.items()]
        return f"{{ {', '.join(members)} }}" if members else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return toml_text(value) if isinstance(value, str) else json.dumps(value)
