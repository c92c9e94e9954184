"""Checks prompts that are Jinja2 templates (ruling L8)."""

from typing import NamedTuple

from jinja2 import TemplateSyntaxError, nodes
from jinja2.sandbox import SandboxedEnvironment

_INPUTS = "inputs"


class Template(NamedTuple):
    """The first mistake of a template, if any, and the inputs that the template uses."""

    mistake: str = ""
    line: int = 0
    inputs: tuple[str, ...] = ()


def read_template(text: str) -> Template:
    """Parse a template without rendering it."""
    try:
        parsed = SandboxedEnvironment().parse(text)
        return Template(inputs=tuple(dict.fromkeys(_inputs(parsed))))
    except TemplateSyntaxError as error:
        return Template(error.message or "invalid template", error.lineno)
    except RecursionError:
        return Template("the template is nested too deeply", 1)


def _inputs(parsed: nodes.Template) -> list[str]:
    """Return the names that are used as `inputs.name` or `inputs["name"]`."""
    by_name = [one.attr for one in parsed.find_all(nodes.Getattr) if _is_inputs(one.node)]
    by_text = [
        one.arg.value
        for one in parsed.find_all(nodes.Getitem)
        if _is_inputs(one.node) and isinstance(one.arg, nodes.Const)
    ]
    return [*by_name, *map(str, by_text)]


def _is_inputs(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Name) and node.name == _INPUTS
