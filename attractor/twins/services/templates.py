"""Values with `{{ ... }}` in them: read once, when a service is loaded, and written per request.

A text that is one expression and nothing else becomes what the expression gives, be it a number or
a table; else what is given is put into the text. Expressions are Jinja's, in its sandbox.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
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


class TemplateTrouble(Exception):
    """An expression gives nothing that could be sent."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """In a table only its keys are looked up: `body.items` is never a method of Python."""

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
    return StrictUndefined(f"nothing is called {key!r} there", obj=table, name=str(key))


class _Expression:
    """What stands between two pairs of braces."""

    def __init__(self, written: str) -> None:
        self.written = written.strip()
        sandbox = _Sandbox(undefined=StrictUndefined)
        try:
            tree = sandbox.parse("{{" + self.written + "}}")
            self._evaluate = sandbox.compile_expression(self.written, undefined_to_none=False)
        except TemplateSyntaxError as cause:
            raise ValueError(f"{{{{ {self.written} }}}} cannot be read: {cause.message}") from cause
        self.names = frozenset(meta.find_undeclared_variables(tree))
        self.from_path = frozenset(_members_of("path", tree))

    def value(self, names: Names) -> Json:
        try:
            found = self._evaluate(**names)
        except _RAISED as cause:
            raise TemplateTrouble(f"{{{{ {self.written} }}}}: {cause}") from cause
        if isinstance(found, Undefined):
            told = found._undefined_message  # pyright: ignore[reportPrivateUsage]
            raise TemplateTrouble(f"{{{{ {self.written} }}}}: {told}")
        return self._plain(found)

    def _plain(self, found: object) -> Json:
        if found is None or isinstance(found, str | int):
            return found
        if isinstance(found, float) and math.isfinite(found):
            return found
        if isinstance(found, list):
            return [self._plain(one) for one in cast("list[object]", found)]
        if isinstance(found, Mapping):
            table = cast("Mapping[str, object]", found)
            return {str(name): self._plain(one) for name, one in table.items()}
        remedy = "call it, with ()" if callable(found) else "put | list behind it"
        told = f"{{{{ {self.written} }}}} gives a {type(found).__name__}, which is no JSON"
        raise TemplateTrouble(f"{told}; {remedy}")


class Template:
    """A value of JSON with expressions in its texts."""

    def __init__(self, written: object) -> None:
        self.expressions: list[_Expression] = []
        self._write = self._read(written)

    @property
    def names(self) -> frozenset[str]:
        """The names it asks for."""
        return frozenset[str]().union(*(one.names for one in self.expressions))

    @property
    def from_path(self) -> frozenset[str]:
        """What it asks of the path."""
        return frozenset[str]().union(*(one.from_path for one in self.expressions))

    def value(self, names: Names) -> Json:
        """Write it with these names."""
        return self._write(names)

    def text(self, names: Names) -> str:
        """Write it as a text."""
        return as_text(self._write(names))

    def _read(self, written: object) -> Callable[[Names], Json]:
        if isinstance(written, str):
            return self._read_text(written)
        if isinstance(written, list):
            items = [self._read(one) for one in cast("list[object]", written)]
            return lambda names: [item(names) for item in items]
        if isinstance(written, Mapping):
            table = cast("Mapping[str, object]", written)
            members = {name: self._read(one) for name, one in table.items()}
            return lambda names: {name: item(names) for name, item in members.items()}
        if isinstance(written, float) and not math.isfinite(written):
            raise ValueError(f"{written} is no number in JSON")
        if written is None or isinstance(written, int | float):
            return lambda names: written
        raise ValueError(f"{written} is no JSON: write it in quotes")

    def _read_text(self, written: str) -> Callable[[Names], Json]:
        texts = _EXPRESSION.split(written)
        if any(mark in text for text in texts[::2] for mark in _UNCLOSED):
            raise ValueError(f"{written!r} has braces that do not close")
        if len(texts) == 1:
            return lambda names: written
        expressions = [_Expression(one) for one in texts[1::2]]
        self.expressions += expressions
        if texts[::2] == ["", ""]:
            return expressions[0].value
        return lambda names: "".join(_joined(texts[::2], expressions, names))


def as_text(value: Json) -> str:
    """Return a text as it is, and anything else as JSON has it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _joined(texts: list[str], expressions: list[_Expression], names: Names) -> Iterable[str]:
    for text, expression in zip(texts, expressions, strict=False):
        yield text
        yield as_text(expression.value(names))
    yield texts[-1]


def _members_of(name: str, tree: nodes.Template) -> Iterable[str]:
    for one in tree.find_all(nodes.Getattr):
        if isinstance(one.node, nodes.Name) and one.node.name == name:
            yield one.attr
    for one in tree.find_all(nodes.Getitem):
        if isinstance(one.node, nodes.Name) and one.node.name == name:
            yield str(one.arg.as_const()) if isinstance(one.arg, nodes.Const) else ""


def _text_template(written: object) -> Template:
    if not isinstance(written, str):
        raise ValueError("this has to be a text")  # pydantic gathers this kind alone
    return Template(written)


JsonTemplate = Annotated[Template, PlainValidator(Template)]
TextTemplate = Annotated[Template, PlainValidator(_text_template)]
