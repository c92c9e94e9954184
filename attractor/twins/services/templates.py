"""Values with `{{ ... }}` expressions, which Jinja's sandbox evaluates for each request.

A text that consists of one expression is replaced by the value of the expression, which can be a
number or an object. In any other text, the values of the expressions are inserted.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeAlias, cast

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import PlainValidator

from attractor.base.json import Json

Names: TypeAlias = Mapping[str, object]

_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_UNCLOSED = ("{{", "}}")
_RAISED = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    NameError,
    TypeError,
    ValueError,
)


class ExpressionError(Exception):
    """An expression fails, or the value of the expression cannot be sent."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Looks up only members of an object: `body.items` is never a method of Python."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return (
            _member(obj, attribute) if isinstance(obj, Mapping) else super().getattr(obj, attribute)
        )

    def getitem(self, obj: Any, argument: Any) -> Any:
        return (
            _member(obj, argument) if isinstance(obj, Mapping) else super().getitem(obj, argument)
        )


def _member(table: Any, key: object) -> object:
    if key in table:
        return table[key]
    return StrictUndefined(f"unknown name {key!r}", obj=table, name=str(key))


class _Expression:
    """The expression between two pairs of braces."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        sandbox = _Sandbox(undefined=StrictUndefined)
        try:
            tree = sandbox.parse("{{" + self.text + "}}")
            self._evaluate = sandbox.compile_expression(self.text, undefined_to_none=False)
        except TemplateSyntaxError as cause:
            raise ValueError(
                f"invalid expression {{{{ {self.text} }}}}: {cause.message}"
            ) from cause
        self.names = frozenset(meta.find_undeclared_variables(tree))
        self.from_path = frozenset(_members_of("path", tree))

    def value(self, names: Names) -> Json:
        try:
            found = self._evaluate(**names)
        except _RAISED as cause:
            raise ExpressionError(f"{{{{ {self.text} }}}}: {cause}") from cause
        if isinstance(found, Undefined):
            message = found._undefined_message  # pyright: ignore[reportPrivateUsage]
            raise ExpressionError(f"{{{{ {self.text} }}}}: {message}")
        return self._plain(found)

    def _plain(self, found: object) -> Json:
        if found is None or isinstance(found, str | int):
            return found
        if isinstance(found, float) and math.isfinite(found):
            return found
        if isinstance(found, list):
            return [self._plain(item) for item in cast("list[object]", found)]
        if isinstance(found, Mapping):
            table = cast("Mapping[str, object]", found)
            return {str(name): self._plain(member) for name, member in table.items()}
        fix = "call it with ()" if callable(found) else "add | list"
        problem = f"the value is a {type(found).__name__}, which is not JSON"
        raise ExpressionError(f"{{{{ {self.text} }}}}: {problem}; {fix}")


class Template:
    """A JSON value with expressions in its texts."""

    def __init__(self, value: object) -> None:
        self.expressions: list[_Expression] = []
        self._render = self._compile(value)

    @property
    def names(self) -> frozenset[str]:
        """The names in the expressions of the template."""
        return frozenset[str]().union(*(expression.names for expression in self.expressions))

    @property
    def from_path(self) -> frozenset[str]:
        """The names of `path` in the expressions of the template."""
        return frozenset[str]().union(*(expression.from_path for expression in self.expressions))

    def value(self, names: Names) -> Json:
        """Return the value, with these names for expressions."""
        return self._render(names)

    def text(self, names: Names) -> str:
        """Return the value as a text, with these names for expressions."""
        return as_text(self._render(names))

    def _compile(self, value: object) -> Callable[[Names], Json]:
        if isinstance(value, str):
            return self._compile_text(value)
        if isinstance(value, list):
            items = [self._compile(item) for item in cast("list[object]", value)]
            return lambda names: [item(names) for item in items]
        if isinstance(value, Mapping):
            table = cast("Mapping[str, object]", value)
            members = {name: self._compile(member) for name, member in table.items()}
            return lambda names: {name: member(names) for name, member in members.items()}
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is not a JSON number")
        if value is None or isinstance(value, int | float):
            return lambda names: value
        raise ValueError(f"{value} is not a JSON value: put it in quotes")

    def _compile_text(self, text: str) -> Callable[[Names], Json]:
        pieces = _EXPRESSION.split(text)
        if any(mark in piece for piece in pieces[::2] for mark in _UNCLOSED):
            raise ValueError(f"unclosed braces in {text!r}")
        if len(pieces) == 1:
            return lambda names: text
        expressions = [_Expression(piece) for piece in pieces[1::2]]
        self.expressions += expressions
        if pieces[::2] == ["", ""]:
            return expressions[0].value
        return lambda names: "".join(_joined(pieces[::2], expressions, names))


def as_text(value: Json) -> str:
    """Return a text unchanged, any other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _joined(
    pieces: Sequence[str], expressions: Sequence[_Expression], names: Names
) -> Iterable[str]:
    for piece, expression in zip(pieces, expressions, strict=False):
        yield piece
        yield as_text(expression.value(names))
    yield pieces[-1]


def _members_of(name: str, tree: nodes.Template) -> Iterable[str]:
    for node in tree.find_all(nodes.Getattr):
        if isinstance(node.node, nodes.Name) and node.node.name == name:
            yield node.attr
    for node in tree.find_all(nodes.Getitem):
        if isinstance(node.node, nodes.Name) and node.node.name == name:
            yield str(node.arg.as_const()) if isinstance(node.arg, nodes.Const) else ""


def _text_template(value: object) -> Template:
    if not isinstance(value, str):
        raise ValueError("must be a text")  # the only kind of exception that pydantic collects
    return Template(value)


JsonTemplate = Annotated[Template, PlainValidator(Template)]
TextTemplate = Annotated[Template, PlainValidator(_text_template, json_schema_input_type=str)]
