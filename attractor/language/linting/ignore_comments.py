"""Reads comments that ignore a rule on a line: `// attractor: ignore[undeclared_node]`.

A comment applies to its line, or, on a line of its own, to the next line that is not a comment.
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
    """Yield the ignored rules of a text; an empty name if a comment names no rule."""
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
    """Return why a comment has no effect, and a fix if it is clear."""
    if not rule:
        message = "the comment names no rule"
        return message, "write attractor: ignore[rule]"
    if rule in vital:
        message = f"the rule {quote(rule)} cannot be ignored"
        return message, "fix the reported error, and remove the comment"
    if rule not in known:
        return f"unknown rule {quote(rule)}", ""
    return f"unused comment: {quote(rule)} reports nothing here", "remove it"
