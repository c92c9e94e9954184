"""Reads the comments that silence a rule on a line: `// attractor: ignore[undeclared_node]`.

Such a comment speaks of its own line, or, where it has a line to itself, of the next one that holds
anything else.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from itertools import islice

from attractor.base.dataclasses import dataclass
from attractor.language.diagnostics import Diagnostic, Severity, suggester
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import Comment, Source, comments_of, quote

UNUSED_IGNORE = "unused_ignore"
_SIGN = "attractor"
_IGNORE = re.compile(
    rf"{_SIGN}\s*:\s*ignore\b(?:\s*\[(?P<rules>[^\]\n]*)\])?", re.IGNORECASE | re.ASCII
)
_ANYTHING = re.compile(r"\S")
_SEPARATOR = re.compile(r"[,\s]+")


@dataclass(frozen=True)
class Ignore:
    """A rule that says nothing on a line, and the comment that wants it so."""

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
    """Leave out what a comment silences, and report each comment that silences nothing.

    The names of all rules are asked for only when there is such a comment.
    """
    told = list(diagnostics)
    if _SIGN not in source.text.lower():
        return told
    ignores = {(one.rule, one.line): one for one in read_ignores(source)}
    unused = dict(ignores)
    kept: list[Diagnostic] = []
    for one in told:
        place = one.rule, one.span.line
        if place in ignores and one.rule not in vital and one.span.file == source.file:
            unused.pop(place, None)
        else:
            kept.append(one)
    return [*kept, *_reports(unused.values(), vital, rules)]


def read_ignores(source: Source) -> Iterator[Ignore]:
    """Yield what the comments of a text silence; one that names no rule has an empty rule."""
    comments = list(comments_of(source.text))
    for at, comment in enumerate(comments):
        found = _IGNORE.search(comment.text)
        if found is None:
            continue
        line = _line_meant(source, comments, at)
        rules = [one for one in _SEPARATOR.split(found["rules"] or "") if one]
        span = source.span(comment.start + found.start(), comment.start + found.end())
        for rule in rules or [""]:
            yield Ignore(rule, line, span)


def _line_meant(source: Source, comments: Sequence[Comment], at: int) -> int:
    """Return the line that a comment speaks of."""
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


def _reports(
    unused: Iterable[Ignore], vital: Set[str], rules: Callable[[], Set[str]]
) -> Iterator[Diagnostic]:
    ignores = list(unused)
    known = rules() if ignores else frozenset[str]()
    suggest = suggester(known)
    for ignore in ignores:
        message, fix = _explain(ignore.rule, vital, known)
        told = fix or suggest(ignore.rule) or "attractor rules lists the rules"
        yield Diagnostic(Severity.WARNING, message, ignore.span, fix=told, rule=UNUSED_IGNORE)


def _explain(rule: str, vital: Set[str], known: Set[str]) -> tuple[str, str]:
    """Return why a comment silences nothing, and what to do if that is clear."""
    if not rule:
        message = "this comment does not say which rule to ignore"
        return message, "write attractor: ignore[rule]"
    if rule in vital:
        message = f"{quote(rule)} cannot be ignored: no pipeline runs without it"
        return message, "mend what it reports, and take the comment away"
    if rule not in known:
        return f"there is no rule {quote(rule)}", ""
    return f"this comment silences nothing: {quote(rule)} does not speak here", "take it away"
