"""Rules that callers bring along: by name, or as attractor-spec 7.4 has them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, cast

from attractor.base.errors import UsageError
from attractor.base.registry import count_wanted
from attractor.language.diagnostics import Diagnostic
from attractor.language.graph import Graph
from attractor.language.lint_rule import LintRule
from attractor.language.vocabulary import Vocabulary
from attractor.language.wording import quote

_NEW_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_HINT = "hand in an object with apply(graph), which returns what it found"


class SpecRule(Protocol):
    """A rule as the specification has it: it has a name, and looks at a graph alone."""

    name: str

    def apply(self, graph: Graph) -> Iterable[Diagnostic]:
        """Return what is wrong."""
        ...


ExtraRules = Mapping[str, LintRule | SpecRule] | Iterable[LintRule | SpecRule]


class NamedRule(NamedTuple):
    """A rule with the name that it reports under; others may have the same one."""

    name: str
    rule: LintRule


class _Adapted:
    """A rule that callers brought, which may need no vocabulary."""

    def __init__(self, name: str, rule: LintRule | SpecRule) -> None:
        self._name = name
        self._apply: Callable[..., object] = _apply_of(name, rule)
        self._wants_vocabulary = count_wanted(self._apply) > 1

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        found = self._apply(graph, vocabulary) if self._wants_vocabulary else self._apply(graph)
        if not isinstance(found, Iterable):
            raise self._refuse("returned", found)
        for one in cast(Iterable[object], found):
            if not isinstance(one, Diagnostic):
                raise self._refuse("found", one)
            yield one

    def _refuse(self, verb: str, found: object) -> UsageError:
        message = f"the rule {quote(self._name)} {verb} {type(found).__name__}, no diagnostics"
        return UsageError(message, hint="return diagnostics; none at all when nothing is wrong")


def named_rules(rules: ExtraRules) -> Sequence[NamedRule]:
    """Return rules with their names; one that has none goes by its class."""
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
        raise UsageError(message, hint=f"hand in an object of it: {rule.__name__}()")
    if not callable(apply):
        raise UsageError(f"the rule {quote(name)} has no method apply", hint=_HINT)
    return apply
