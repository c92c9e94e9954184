"""Applies the lint rules to a graph, except where a comment ignores a rule (attractor-spec 7.3)."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from enum import StrEnum
from itertools import islice

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.patterns import late_pattern
from attractor.language.diagnostics import (
    PORTABILITY,
    Diagnostic,
    Severity,
    ValidationError,
    in_order,
    suggester,
)
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import (
    ExtraRules,
    LintRule,
    NamedRule,
    Vocabulary,
    named_rules,
    rule_registry,
)
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import Comment, Source, comments_of, quote

UNUSED_IGNORE = "unused_ignore"
_SIGN = "attractor"
_IGNORE = late_pattern(
    rf"{_SIGN}\s*:\s*ignore\b(?:\s*\[(?P<rules>[^\]\n]*)\])?", re.IGNORECASE | re.ASCII
)
_ANYTHING = late_pattern(r"\S")
_SEPARATOR = late_pattern(r"[,\s]+")


@dataclass(frozen=True)
class Ignore:
    """A rule to ignore on a line, and the comment."""

    rule: str
    line: int
    span: Span


def without_ignored(
    diagnostics: Iterable[Diagnostic],
    source: Source,
    *,
    vital: Set[str],
    rules: Callable[[], Set[str]],
) -> Sequence[Diagnostic]:
    """Remove ignored diagnostics, and report comments without effect.

    `rules` is called only if there is such a comment.
    """
    unfiltered = list(diagnostics)
    if _SIGN not in source.text.lower():
        return unfiltered
    ignores = {(ignore.rule, ignore.line): ignore for ignore in read_ignores(source)}
    unused = dict(ignores)
    kept: list[Diagnostic] = []
    for found in unfiltered:
        place = found.rule, found.span.line
        if place in ignores and found.rule not in vital and found.span.file == source.file:
            unused.pop(place, None)
        else:
            kept.append(found)
    known = rules() if unused else frozenset[str]()
    suggest = suggester(known)
    for ignore in unused.values():
        message, fix = _explain(ignore.rule, vital, known)
        hint = fix or suggest(ignore.rule) or "list the rules: attractor rules"
        kept.append(
            Diagnostic(Severity.WARNING, message, ignore.span, fix=hint, rule=UNUSED_IGNORE)
        )
    return kept


def read_ignores(source: Source) -> Iterator[Ignore]:
    """Yield the ignored rules of a text; a comment without a rule yields an empty name."""
    comments = list(comments_of(source.text))
    for at, comment in enumerate(comments):
        found = _IGNORE.search(comment.text)
        if found is None:
            continue
        line = _line_meant(source, comments, at)
        rules = [word for word in _SEPARATOR.split(found["rules"] or "") if word]
        span = source.span(comment.start + found.start(), comment.start + found.end())
        for rule in rules or [""]:
            yield Ignore(rule, line, span)


def _line_meant(source: Source, comments: Sequence[Comment], at: int) -> int:
    """Return the line that a comment applies to."""
    text, first = source.text, comments[at]
    line_start = text.rfind("\n", 0, first.start) + 1
    if text[line_start : first.start].strip():
        return source.span(first.start, first.end).line
    for comment in islice(comments, at + 1, None):
        if text[comments[at].end : comment.start].strip():
            break
        at += 1
    behind = _ANYTHING.search(text, comments[at].end)
    place = behind.start() if behind else len(text)
    return source.span(place, place).line


def _explain(rule: str, vital: Set[str], known: Set[str]) -> tuple[str, str]:
    """Return why a comment has no effect, and a fix if the fix is clear."""
    if not rule:
        message = "the comment names no rule"
        return message, "write attractor: ignore[rule]"
    if rule in vital:
        message = f"the rule {quote(rule)} cannot be ignored"
        return message, "fix the reported error, and remove the comment"
    if rule not in known:
        return f"unknown rule {quote(rule)}", ""
    return f"unused ignore comment: {quote(rule)} reports no problem here", "remove it"


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
"""Rules that the engine depends on; the level of these rules cannot be lowered."""


def apply_levels(diagnostics: Iterable[Diagnostic], levels: Levels) -> Iterator[Diagnostic]:
    """Apply the levels of a project to diagnostics."""
    lowered = sorted(rule for rule in VITAL & levels.keys() if levels[rule] is not Level.ERROR)
    if lowered:
        hint = "remove this level from the settings, because the engine depends on the rule"
        raise UsageError(f"the level of rule {lowered[0]!r} cannot be lowered", hint=hint)
    for diagnostic in diagnostics:
        level = levels.get(diagnostic.rule)
        if level is None:
            yield diagnostic
        elif level is not Level.OFF:
            yield replace(diagnostic, severity=Severity(level.value))


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

    `extra_rules` are added: a built-in rule of the same name is not replaced (attractor-spec 7.4).
    """
    return validate_by(named_rules(extra_rules), graph, vocabulary)


def validate_by(
    further: Iterable[NamedRule], graph: Graph, vocabulary: Vocabulary
) -> tuple[Diagnostic, ...]:
    """Apply all rules, and additional named rules."""
    return _applied((*rule_registry().items(), *further), graph, vocabulary)


def validate_locally(graph: Graph) -> tuple[Diagnostic, ...]:
    """Apply to the valid part of a text the rules that check single attributes."""
    rules = rule_registry()
    return _applied(((name, rules[name]) for name in LOCAL), graph, _NO_NAMES)


def _applied(
    rules: Iterable[tuple[str, LintRule]], graph: Graph, vocabulary: Vocabulary
) -> tuple[Diagnostic, ...]:
    return in_order(
        diagnostic if diagnostic.rule else replace(diagnostic, rule=name)
        for name, rule in rules
        for diagnostic in rule.apply(graph, vocabulary)
    )


def validate_or_raise(
    graph: Graph,
    *,
    vocabulary: Vocabulary = _NO_NAMES,
    extra_rules: ExtraRules = (),
) -> tuple[Diagnostic, ...]:
    """Return the diagnostics, or raise ValidationError if there is an error."""
    diagnostics = validate(graph, vocabulary=vocabulary, extra_rules=extra_rules)
    if any(diagnostic.is_error for diagnostic in diagnostics):
        raise ValidationError(diagnostics)
    return diagnostics


def rule_names() -> frozenset[str]:
    """Return the names of all rules, including those without a file."""
    return frozenset({*rule_registry(), *VITAL, *_REPORTED})
