"""Reads the documentation pages of the lint rules."""

import inspect
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.language.diagnostics import Severity
from attractor.language.linting.lint_rule import (
    rule_registry,
)

_MARGIN = "    "

_REPORTS = Path(__file__).parent.parent / "reports"
"""What is reported while a text is read, by no rule with a file of its own."""


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
    severity, text = _written(rule)
    return RulePage(
        rule,
        severity,
        sentence=text.partition("\n")[0],
        what=_told(text, "What it does: "),
        why=_told(text, "Why: "),
        example=_shown(text, "Example:"),
        instead=_shown(text, "Instead:"),
        text=text,
    )


def read_pages() -> Iterator[RulePage]:
    """Yield the page of every rule, in the order of their names."""
    for rule in page_names():
        yield read_page(rule)


def page_names() -> Sequence[str]:
    """Return the names of everything that has a page, those among them that are told elsewhere."""
    return sorted({*rule_registry(), *(file.stem for file in _REPORTS.glob("*.md"))})


def _written(rule: str) -> tuple[Severity, str]:
    """Return a rule's severity and its page."""
    if rule in rule_registry():
        part = rule_registry()[rule]
        return part.severity, inspect.cleandoc(sys.modules[type(part).__module__].__doc__ or "")
    if rule not in page_names():
        raise UnknownName("rule", rule, page_names())
    severity, _, text = (_REPORTS / f"{rule}.md").read_text("utf-8").partition("\n")
    return Severity(severity), text.rstrip()


def page_of(rule: str) -> str:
    """Return the whole page of a rule; an empty text for one that callers brought along."""
    return read_page(rule).text if rule in page_names() else ""


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
