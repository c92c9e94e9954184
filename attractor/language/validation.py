"""Holds a graph against the rules (attractor-spec 7.3)."""

from collections.abc import Iterable
from dataclasses import replace

from attractor.language.diagnostics import Diagnostic, in_order
from attractor.language.errors import ValidationError
from attractor.language.extra_rules import ExtraRules, NamedRule, named_rules
from attractor.language.findings import PORTABILITY
from attractor.language.graph import Graph
from attractor.language.ignores import UNUSED_IGNORE
from attractor.language.lint_rule import LintRule, rule_registry
from attractor.language.severities import VITAL
from attractor.language.vocabulary import Vocabulary

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
