"""Renders Jinja2 templates of prompts at each visit.

Values are inserted unchanged; they are not rendered as templates (L8).
"""

from collections.abc import Mapping
from typing import Any, cast

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from attractor.base.json import Json
from attractor.engine.errors import TemplateFailed

# Limited, because a loop in a small template can produce any amount of text.
_LONGEST = 1_000_000


def render_prompt(
    template: str, *, goal: str, inputs: Mapping[str, str], context: Mapping[str, Json]
) -> str:
    """Render a template with the goal, the inputs and the current context."""
    environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    pieces: list[str] = []
    length = 0
    try:
        filled = environment.from_string(template)
        for piece in filled.generate(goal=goal, inputs=dict(inputs), context=_nested(context)):
            pieces.append(piece)
            length += len(piece)
            if length > _LONGEST:
                raise TemplateFailed(f"the prompt is longer than {_LONGEST} characters")
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise TemplateFailed(f"the prompt template cannot be rendered: {error}") from error
    return "".join(pieces)


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
