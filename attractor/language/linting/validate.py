"""Applies the lint rules to a graph (attractor-spec 7.3)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum

from attractor.base.errors import UsageError
from attractor.language.diagnostics import PORTABILITY, Diagnostic, Severity, in_order
from attractor.language.errors import ValidationError
from attractor.language.graph.graph import Graph
from attractor.language.linting.ignore_comments import UNUSED_IGNORE
from attractor.language.linting.lint_rule import (
    ExtraRules,
    LintRule,
    NamedRule,
    Vocabulary,
    named_rules,
    rule_registry,
)


class Level(StrEnum):
    """The level of a rule in a project."""

    OFF = "off"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


Levels = Mapping[str, Level]
AS_WRITTEN: Levels = {}

VITAL = frozenset(
    {
        *("syntax", "start_node", "terminal_node", "distinct_ids", "reserved_id"),
        *("attribute_value", "condition_syntax", "stylesheet_syntax"),
        *("prompt_file", "import_file", "known_input"),
    }
)
"""Rules that protect the engine; their level cannot be lowered."""


def apply_levels(diagnostics: Iterable[Diagnostic], levels: Levels) -> Iterator[Diagnostic]:
    """Apply the levels of a project to diagnostics."""
    lowered = sorted(rule for rule in VITAL & levels.keys() if levels[rule] is not Level.ERROR)
    if lowered:
        hint = "remove it from the settings: no pipeline runs without this rule"
        raise UsageError(f"the level of the rule {lowered[0]!r} must be error", hint=hint)
    for one in diagnostics:
        level = levels.get(one.rule)
        if level is None:
            yield one
        elif level is not Level.OFF:
            yield replace(one, severity=Severity(level.value))


_NO_NAMES = Vocabulary()
_REPORTED = frozenset({PORTABILITY, UNUSED_IGNORE, "goal_missing", "pipeline_file"})

LOCAL = ("attribute_value", "condition_syntax", "stylesheet_syntax", "unknown_attribute")
"""Rules that also apply to a pipeline with syntax errors."""


def validate(
    graph: Graph,
    *,
    vocabulary: Vocabulary = _NO_NAMES,
    extra_rules: ExtraRules = (),
) -> tuple[Diagnostic, ...]:
    """Apply all rules and return their diagnostics in order of place.

    `extra_rules` are added: they replace no rule of the same name (attractor-spec 7.4).
    """
    return validate_by(named_rules(extra_rules), graph, vocabulary)


def validate_by(
    further: Iterable[NamedRule], graph: Graph, vocabulary: Vocabulary
) -> tuple[Diagnostic, ...]:
    """Apply all rules, and named additional ones."""
    rules: Iterable[tuple[str, LintRule]] = (*rule_registry().items(), *further)
    found = [
        diagnostic if diagnostic.rule else replace(diagnostic, rule=name)
        for name, rule in rules
        for diagnostic in rule.apply(graph, vocabulary)
    ]
    return in_order(found)


def validate_locally(graph: Graph) -> tuple[Diagnostic, ...]:
    """Apply the rules that check single attributes to the valid part of a text."""
    rules = rule_registry()
    found = [
        replace(diagnostic, rule=name)
        for name in LOCAL
        for diagnostic in rules[name].apply(graph, _NO_NAMES)
    ]
    return in_order(found)


def validate_or_raise(
    graph: Graph,
    *,
    vocabulary: Vocabulary = _NO_NAMES,
    extra_rules: ExtraRules = (),
) -> tuple[Diagnostic, ...]:
    """Return the diagnostics, or raise ValidationError if there is an error."""
    diagnostics = validate(graph, vocabulary=vocabulary, extra_rules=extra_rules)
    if any(one.is_error for one in diagnostics):
        raise ValidationError(diagnostics)
    return diagnostics


def rule_names() -> frozenset[str]:
    """Return the names of all rules, including those without a file."""
    return frozenset({*rule_registry(), *VITAL, *_REPORTED})
