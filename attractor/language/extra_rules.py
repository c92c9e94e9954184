"""Rules that callers bring along: by name, or as attractor-spec 7.4 has them."""

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Protocol, cast

from attractor.language.diagnostics import Diagnostic
from attractor.language.graph import Graph
from attractor.language.lint_rule import LintRule
from attractor.language.vocabulary import Vocabulary

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


class SpecRule(Protocol):
    """A rule as the specification has it: it has a name, and looks at a graph alone."""

    name: str

    def apply(self, graph: Graph) -> Iterable[Diagnostic]:
        """Return what is wrong."""
        ...


ExtraRules = Mapping[str, LintRule | SpecRule] | Iterable[LintRule | SpecRule]


class _Adapted:
    """A rule of the specification's, which needs no vocabulary."""

    def __init__(self, rule: SpecRule) -> None:
        self._rule = rule

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterable[Diagnostic]:
        return self._rule.apply(graph)


def named_rules(rules: ExtraRules) -> Mapping[str, LintRule]:
    """Return rules by name; one that has none goes by its class."""
    if isinstance(rules, Mapping):
        by_name = cast(Mapping[str, LintRule | SpecRule], rules)
        return {name: _adapted(rule) for name, rule in by_name.items()}
    return {_name(rule): _adapted(rule) for rule in rules}


def _name(rule: LintRule | SpecRule) -> str:
    return getattr(rule, "name", "") or _CAPITAL.sub("_", type(rule).__name__).lower()


def _adapted(rule: LintRule | SpecRule) -> LintRule:
    wanted = [
        one for one in inspect.signature(rule.apply).parameters.values() if one.default is one.empty
    ]
    return _Adapted(rule) if len(wanted) == 1 else rule  # pyright: ignore
