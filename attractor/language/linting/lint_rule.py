"""Lint rules: the interface, the registry, and rules that callers add."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple, Protocol, cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.registry import Registry, count_parameters
from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph.graph import Graph
from attractor.language.source.text import quote


@dataclass(frozen=True)
class Vocabulary:
    """Names and checks from higher rooms; a rule whose name or check is None reports nothing.

    `has_program` tells whether a program is on the PATH. `shell_error` returns the syntax error of
    a shell command, or nothing. `accelerator` returns the key that picks a label at a human gate.
    """

    types: Set[str] | None = None
    backends: Set[str] | None = None
    agents: Set[str] | None = None
    providers: Set[str] | None = None
    models: Set[str] | None = None
    has_program: Callable[[str], bool] | None = None
    shell_error: Callable[[str], str] | None = None
    accelerator: Callable[[str], str] | None = None


class LintRule(Protocol):
    """Checks a graph for one kind of mistake; its name is the name of its file."""

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterable[Diagnostic]:
        """Return the diagnostics, in time linear in the size of the graph."""
        ...


class BuiltInRule(LintRule, Protocol):
    """A rule of `language/rules`, with its severity."""

    severity: Severity
    """The severity of its diagnostics."""


def rule_registry() -> Registry[BuiltInRule]:
    """Return the rules by name; a rule is imported when it is used."""
    return Registry("attractor.language.rules", BuiltInRule, noun="rule")


_NEW_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_HINT = "pass an object with apply(graph), which returns diagnostics"


class SpecRule(Protocol):
    """A rule of attractor-spec 7.4: it has a name and takes only the graph."""

    name: str

    def apply(self, graph: Graph) -> Iterable[Diagnostic]:
        """Return the diagnostics."""
        ...


ExtraRules = Mapping[str, LintRule | SpecRule] | Iterable[LintRule | SpecRule]


class NamedRule(NamedTuple):
    """A rule and the name that it reports under, which need not be unique."""

    name: str
    rule: LintRule


class _Adapted:
    """A rule of the caller, which may not take a vocabulary."""

    def __init__(self, name: str, rule: LintRule | SpecRule) -> None:
        self._name = name
        self._apply: Callable[..., object] = _apply_of(name, rule)
        self._wants_vocabulary = count_parameters(self._apply) > 1

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        found = self._apply(graph, vocabulary) if self._wants_vocabulary else self._apply(graph)
        if not isinstance(found, Iterable):
            raise self._refuse("returned", found)
        for one in cast(Iterable[object], found):
            if not isinstance(one, Diagnostic):
                raise self._refuse("found", one)
            yield one

    def _refuse(self, verb: str, found: object) -> UsageError:
        message = f"the rule {quote(self._name)} {verb} {type(found).__name__}, not diagnostics"
        return UsageError(message, hint="return a list of diagnostics, which may be empty")


def named_rules(rules: ExtraRules) -> Sequence[NamedRule]:
    """Return rules with their names; the default name is that of the class."""
    if isinstance(rules, Mapping):
        by_name = cast(Mapping[str, LintRule | SpecRule], rules)
        named = [*by_name.items()]
    else:
        named = [(_name(rule), rule) for rule in rules]
    return [NamedRule(name, _Adapted(name, rule)) for name, rule in named]


def _name(rule: LintRule | SpecRule) -> str:
    name = getattr(rule, "name", "")
    return name if name and isinstance(name, str) else _NEW_WORD.sub("_", _class_name(rule)).lower()


def _class_name(rule: object) -> str:
    return rule.__name__ if isinstance(rule, type) else type(rule).__name__


def _apply_of(name: str, rule: LintRule | SpecRule) -> Callable[..., object]:
    apply: object = getattr(rule, "apply", None)
    if isinstance(rule, type):
        message = f"the rule {quote(name)} is a class"
        raise UsageError(message, hint=f"pass an object: {rule.__name__}()")
    if not callable(apply):
        raise UsageError(f"the rule {quote(name)} has no method apply", hint=_HINT)
    return apply
