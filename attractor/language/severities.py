"""How grave a rule is in a project: as its page says, or otherwise."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum

from attractor.base.errors import UsageError
from attractor.language.diagnostics import Diagnostic, Severity


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
