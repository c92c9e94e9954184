"""Reads the pages of the rules, which are the docstrings of their files."""

import inspect
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from attractor.language.diagnostics import Severity
from attractor.language.lint_rule import rule_registry

_MARGIN = "    "


@dataclass(frozen=True)
class RulePage:
    """What there is to say of a rule: a sentence, and what people want to know when it speaks."""

    rule: str
    severity: Severity
    sentence: str
    what: str
    why: str
    example: str
    instead: str
    text: str


def read_page(rule: str) -> RulePage:
    """Return the page of a rule; raise UnknownName when there is no such rule."""
    part = rule_registry()[rule]
    text = inspect.cleandoc(sys.modules[type(part).__module__].__doc__ or "")
    return RulePage(
        rule,
        part.severity,
        sentence=text.partition("\n")[0],
        what=_told(text, "What it does: "),
        why=_told(text, "Why: "),
        example=_shown(text, "Example:"),
        instead=_shown(text, "Instead:"),
        text=text,
    )


def read_pages() -> Iterator[RulePage]:
    """Yield the page of every rule, in the order of their names."""
    for rule in rule_registry():
        yield read_page(rule)


def page_of(rule: str) -> str:
    """Return the whole page of a rule; an empty text for one that has no file of its own."""
    return read_page(rule).text if rule in rule_registry() else ""


def _told(text: str, heading: str) -> str:
    """Return the paragraph with a heading, without it."""
    _, _, behind = text.partition(f"\n\n{heading}")
    return behind.partition("\n\n")[0]


def _shown(text: str, heading: str) -> str:
    """Return what is set in under a heading."""
    _, _, behind = text.partition(f"\n\n{heading}\n\n")
    lines: list[str] = []
    for line in behind.splitlines():
        if line and not line.startswith(_MARGIN):
            break
        lines.append(line)
    return textwrap.dedent("\n".join(lines)).strip("\n")
