"""Finds where secrets stand in a text: values that are known, and what looks like some pattern."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from attractor.base.dataclasses import dataclass

Span = tuple[int, int]


@dataclass(frozen=True)
class Finder:
    """What is looked for: each form of a known value with its place among them, and patterns."""

    forms: Mapping[str, int]
    values: Sequence[str]
    patterns: Sequence[re.Pattern[str]]

    def spans(self, text: str) -> Sequence[Span]:
        """Return where the secrets are, in order; those that overlap are one."""
        found: list[Span] = []
        for begin, end in sorted(self._each(text)):
            if found and begin < found[-1][1]:
                found[-1] = found[-1][0], max(end, found[-1][1])
            else:
                found.append((begin, end))
        return found

    def _each(self, text: str) -> Iterator[Span]:
        for form in self.forms:
            begin = text.find(form)
            while begin >= 0:
                yield begin, begin + len(form)
                begin = text.find(form, begin + len(form))
        for pattern in self.patterns:
            yield from (one.span() for one in pattern.finditer(text) if one[0])


def finder_of(values: Sequence[str], patterns: Sequence[re.Pattern[str]]) -> Finder:
    """Return what looks for values, as they are and as JSON writes them, and for patterns."""
    forms: dict[str, int] = {}
    for number, value in enumerate(values, 1):
        for form in (value, escaped(value), json.dumps(value)[1:-1]):
            forms.setdefault(form, number)
    return Finder(forms, values, patterns)


def escaped(text: str) -> str:
    """Return a text as JSON writes it, without its quotes."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def unescaped(text: str) -> str:
    """Return what a text says if it is one as JSON writes it, else the text."""
    if "\\" not in text:
        return text
    try:
        return json.loads(f'"{text}"')
    except ValueError:
        return text
