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
    """What a project can make of a rule."""

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
"""Rules that keep the engine from meeting what it cannot walk; nothing makes them less grave."""


def weighed(diagnostics: Iterable[Diagnostic], levels: Levels) -> Iterator[Diagnostic]:
    """Give every diagnostic the severity that a project wants, or leave it out."""
    lowered = sorted(rule for rule in VITAL & levels.keys() if levels[rule] is not Level.ERROR)
    if lowered:
        hint = "take it out of the settings: no pipeline runs without it"
        raise UsageError(f"the rule {lowered[0]!r} is an error always", hint=hint)
    for one in diagnostics:
        level = levels.get(one.rule)
        if level is None:
            yield one
        elif level is not Level.OFF:
            yield replace(one, severity=Severity(level.value))


_NO_NAMES = Vocabulary()
_REPORTED = frozenset({PORTABILITY, UNUSED_IGNORE, "goal_missing", "pipeline_file"})

LOCAL = ("attribute_value", "condition_syntax", "stylesheet_syntax", "unknown_attribute")
"""Rules that are right about a pipeline of which a part could not be read."""


def validate(
    graph: Graph,
    *,
    vocabulary: Vocabulary = _NO_NAMES,
    extra_rules: ExtraRules = (),
) -> tuple[Diagnostic, ...]:
    """Apply every rule, and further ones, and return what they found in order of place.

    Further rules come on top: none replaces another of its name (attractor-spec 7.4).
    """
    return validate_by(named_rules(extra_rules), graph, vocabulary)


def validate_by(
    further: Iterable[NamedRule], graph: Graph, vocabulary: Vocabulary
) -> tuple[Diagnostic, ...]:
    """Apply every rule, and further ones that have their names already."""
    rules: Iterable[tuple[str, LintRule]] = (*rule_registry().items(), *further)
    found = [
        diagnostic if diagnostic.rule else replace(diagnostic, rule=name)
        for name, rule in rules
        for diagnostic in rule.apply(graph, vocabulary)
    ]
    return in_order(found)


def validate_locally(graph: Graph) -> tuple[Diagnostic, ...]:
    """Apply the rules that look at one attribute at a time, to what is left of a broken text."""
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
    """Return what is no error; an error raises ValidationError."""
    diagnostics = validate(graph, vocabulary=vocabulary, extra_rules=extra_rules)
    if any(one.is_error for one in diagnostics):
        raise ValidationError(diagnostics)
    return diagnostics


def rule_names() -> frozenset[str]:
    """Return the names of all rules, those among them that have no file of their own."""
    return frozenset({*rule_registry(), *VITAL, *_REPORTED})
