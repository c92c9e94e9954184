"""Prompt templates are rendered once per visit."""

import pytest

from attractor.base.json import Json
from attractor.engine.errors import TemplateFailed
from attractor.engine.prompts.templates import render_prompt
from tests.tables import table


def rendered(template: str, context: dict[str, Json] | None = None, **inputs: str) -> str:
    return render_prompt(template, goal="Ship {{ it }}", inputs=inputs, context=context or {})


def test_inserted_values_are_not_rendered_again() -> None:
    values: dict[str, Json] = {"outcome": "fail", "human.gate.label": "{{ goal }}"}
    template = "{{ goal }}/{{ inputs.ticket }}/{{ context.outcome }}/{{ context.human.gate.label }}"
    assert rendered(template, values, ticket="{{ x }}") == ("Ship {{ it }}/{{ x }}/fail/{{ goal }}")


def test_dotted_key_works_in_any_order() -> None:
    values: dict[str, Json] = {"a": 1, "a.b": 2}
    assert rendered("{{ context['a.b'] }}{{ context.a }}", values) == "21"
    assert rendered("{{ context['a.b'] }}", {"a.b": 2, "a": 1}) == "2"


@table(
    "template",
    [
        "{{ inputs.nope }}",
        "{{ context.nope }}",
        "{{ nope }}",
        "{% if %}",
        "{{ 1 / 0 }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ goal.nope() }}",
        "{% for a in range(999) %}{{ 'x' * 9999 }}{% endfor %}",
        "{% include 'file' %}",
    ],
)
def test_template_error_is_reported(template: str) -> None:
    with pytest.raises(TemplateFailed):
        rendered(template)
