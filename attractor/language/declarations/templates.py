"""Checks and renders prompts that are Jinja2 templates (ruling L8), with bounds for long texts."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jinja2 import Template as Compiled, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
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
        parsed = BoundedSandbox().parse(text)
        # The names that are used as `inputs.name` or `inputs["name"]`.
        by_name = [use.attr for use in parsed.find_all(nodes.Getattr) if _is_inputs(use.node)]
        by_text = [
            str(use.arg.value)
            for use in parsed.find_all(nodes.Getitem)
            if _is_inputs(use.node) and isinstance(use.arg, nodes.Const)
        ]
        return Template(inputs=tuple(dict.fromkeys([*by_name, *by_text])))
    except TemplateSyntaxError as error:
        return Template(error.message or "invalid template", error.lineno)
    except RecursionError:
        return Template("the template is nested too deeply", 1)


def _is_inputs(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Name) and node.name == _INPUTS


LONGEST = 1_000_000
"""The maximum number of characters in a rendered text."""


class BoundedSandbox(SandboxedEnvironment):
    """Rejects products, powers and paddings (`'x'.ljust(n)`, `center(n)`) that are too large."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("batch", "center", "indent"):
            self.filters[name] = _bounded(self.filters[name])

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Return the value of an operator."""
        for factor, other in ((left, right), (right, left)):
            if isinstance(other, int) and hasattr(factor, "__len__"):
                _require_small(len(factor) * other)
        if operator == "**" and isinstance(left, int) and isinstance(right, int):
            _require_small(left.bit_length() * right)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function or method."""
        called = _bounded(obj) if isinstance(getattr(obj, "__self__", None), str) else obj
        return super().call(context, called, *args, **kwargs)


def _bounded(function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        for argument in (*args, *kwargs.values()):
            _require_small(argument if isinstance(argument, int) else 0)
        return function(*args, **kwargs)

    return call


def _require_small(size: int) -> None:
    if size > LONGEST:
        raise SecurityError(f"a value is longer than {LONGEST} characters")


def render(template: Compiled, values: Mapping[str, object]) -> str:
    """Return the text of a template, which has a limit, because a loop can produce any amount."""
    pieces: list[str] = []
    length = 0
    for piece in template.generate(values):
        pieces.append(piece)
        length += len(piece)
        _require_small(length)
    return "".join(pieces)
