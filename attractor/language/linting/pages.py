"""Reads the documentation pages of the lint rules."""

import inspect
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.language.diagnostics import Severity
from attractor.language.linting.lint_rule import rule_registry

_MARGIN = "    "

_REPORTS = Path(__file__).parent.parent / "reports"
"""Pages of diagnostics that are reported without a rule file."""


@dataclass(frozen=True)
class RulePage:
    """The documentation of a rule."""

    rule: str
    severity: Severity
    sentence: str
    what: str
    why: str
    example: str
    instead: str
    text: str


def read_page(rule: str) -> RulePage:
    """Return the page of a rule, or raise UnknownName."""
    severity, text = _written(rule)
    return RulePage(
        rule,
        severity,
        sentence=text.partition("\n")[0],
        what=_paragraph(text, "What it does: "),
        why=_paragraph(text, "Why: "),
        example=_shown(text, "Example:"),
        instead=_shown(text, "Instead:"),
        text=text,
    )


def read_pages() -> Iterator[RulePage]:
    """Yield the pages of all rules, ordered by name."""
    for rule in page_names():
        yield read_page(rule)


def page_names() -> Sequence[str]:
    """Return the names of all pages."""
    return sorted({*rule_registry(), *(file.stem for file in _REPORTS.glob("*.md"))})


def _written(rule: str) -> tuple[Severity, str]:
    """Return the severity and the page of a rule."""
    if rule in rule_registry():
        part = rule_registry()[rule]
        return part.severity, inspect.cleandoc(sys.modules[part.apply.__module__].__doc__ or "")
    if rule not in page_names():
        raise UnknownName("rule", rule, page_names())
    severity, _, text = (_REPORTS / f"{rule}.md").read_text("utf-8").partition("\n")
    return Severity(severity), text.rstrip()


def page_of(rule: str) -> str:
    """Return the whole page of a rule; a rule of the caller has an empty page."""
    return read_page(rule).text if rule in page_names() else ""


def _paragraph(text: str, heading: str) -> str:
    """Return the paragraph after a heading."""
    _, _, behind = text.partition(f"\n\n{heading}")
    return behind.partition("\n\n")[0]


def _shown(text: str, heading: str) -> str:
    """Return the indented block after a heading."""
    _, _, behind = text.partition(f"\n\n{heading}\n\n")
    lines: list[str] = []
    for line in behind.splitlines():
        if line and not line.startswith(_MARGIN):
            break
        lines.append(line)
    return textwrap.dedent("\n".join(lines)).strip("\n")
