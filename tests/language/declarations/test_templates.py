import subprocess
import sys

import pytest

from attractor.language.declarations.templates import Template, read_template


def test_a_template_names_its_inputs() -> None:
    text = '{% if inputs.a %}{{ inputs["b"] | upper }}{{ inputs.a }}{{ context.c }}{% endif %}'
    assert read_template(text) == Template(inputs=("a", "b"))


@pytest.mark.parametrize(
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


def test_nothing_is_imported_until_there_is_a_template() -> None:
    code = (
        "import sys; from attractor.language import prepare;"
        "prepare('digraph G { start; a [prompt=x]; exit; start -> a -> exit }');"
        "sys.exit('jinja2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
