"""Renders Jinja2 templates of prompts at each visit.

Values are inserted unchanged; they are not rendered as templates (L8).
"""

from collections.abc import Mapping
from typing import Any, cast

from jinja2 import StrictUndefined, TemplateError

from attractor.base.json import Json
from attractor.engine.errors import TemplateFailed
from attractor.language.declarations.templates import BoundedSandbox, render


def render_prompt(
    template: str, *, goal: str, inputs: Mapping[str, str], context: Mapping[str, Json]
) -> str:
    """Render a template with the goal, the inputs and the current context."""
    environment = BoundedSandbox(undefined=StrictUndefined, keep_trailing_newline=True)
    values = {"goal": goal, "inputs": dict(inputs), "context": _nested(context)}
    try:
        return render(environment.from_string(template), values)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise TemplateFailed(f"the prompt template cannot be rendered: {error}") from error


def _nested(flat: Mapping[str, Json]) -> dict[str, Any]:
    """Return the values; a value with a dotted key can also be accessed by nested attributes."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *folders, last = key.split(".")
        inner = nested
        for folder in folders:
            below = inner.setdefault(folder, {})
            if not isinstance(below, dict):
                break
            inner = cast(dict[str, Any], below)
        else:
            inner.setdefault(last, value)
    return {**nested, **flat}
