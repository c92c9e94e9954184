import subprocess
import sys

import pytest
from jinja2.exceptions import SecurityError

from attractor.language.declarations.templates import (
    LONGEST,
    BoundedSandbox,
    Template,
    read_template,
    render,
)
from tests.tables import table


def test_a_template_names_its_inputs() -> None:
    text = '{% if inputs.a %}{{ inputs["b"] | upper }}{{ inputs.a }}{{ context.c }}{% endif %}'
    assert read_template(text) == Template(inputs=("a", "b"))


@table(
    ("text", "line"),
    [("{% if %}", 1), ("a\n{{ b", 2), ("{% for x in y %}\n\n{% endif %}", 3), ("{{ 'a' ", 1)],
)
def test_template_mistake_is_reported_with_its_line(text: str, line: int) -> None:
    template = read_template(text)
    assert template.mistake
    assert template.line == line


def test_a_template_may_not_be_nested_without_end() -> None:
    assert read_template("{{ " + "(" * 50_000).mistake
    assert read_template("{% if a %}" * 50_000).mistake


def test_jinja_is_imported_for_templates_only() -> None:
    code = (
        "import sys; from attractor.language import prepare;"
        "prepare('digraph G { start; a [prompt=x]; exit; start -> a -> exit }');"
        "sys.exit('jinja2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@table(
    "expression",
    [
        "'x' * 10**10",
        "10**10 * 'x'",
        "9**(9**9)",
        "[1] * 10**10",
        "'x'.ljust(10**10)",
        "'x'.zfill(width=10**10)",
        "'x' | center(10**10)",
        "'a\\nb' | indent(10**10)",
        "'x' * 999999 ~ 'x' * 999999",
    ],
)
def test_too_large_value_is_an_error(expression: str) -> None:
    template = BoundedSandbox().from_string("{{ " + expression + " }}")
    with pytest.raises(SecurityError, match=f"longer than {LONGEST} characters"):
        render(template, {})


def test_long_loop_is_ended() -> None:
    text = "{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}"
    with pytest.raises(SecurityError):
        render(BoundedSandbox().from_string(text), {})


def test_large_numbers_and_usual_sizes_are_allowed() -> None:
    text = "{{ 3 * 10**9 }} {{ 'ab' * 2 }} {{ 'x'.ljust(3) }}| {{ 'x' | center(3) }}|"
    assert render(BoundedSandbox().from_string(text), {}) == "3000000000 abab x  |  x |"
