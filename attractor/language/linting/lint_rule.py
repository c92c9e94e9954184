"""What a lint rule is, and where the rules of this room are found.

What only the rooms above know, handed down so that rules can ask for it.

Rules that callers bring along: by name, or as attractor-spec 7.4 has them.

How grave a rule is in a project: as its page says, or otherwise.

Holds a graph against the rules (attractor-spec 7.3).

Reads the pages of the rules, which are the docstrings of their files.
"""

import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName, UsageError
from attractor.base.registry import Registry, count_wanted
from attractor.language.diagnostics import Diagnostic, Severity, in_order
from attractor.language.errors import ValidationError
from attractor.language.graph.graph import Graph
from attractor.language.linting.ignore_comments import UNUSED_IGNORE
from attractor.language.source.text import quote
from attractor.language.source.tokens import PORTABILITY


@dataclass(frozen=True)
class Vocabulary:
    """Names a rule may check; None means: not given, be silent.

    Names that take time to gather are asked for one by one: `has_program` tells whether a program
    can be found here. `accelerator` returns the key that picks a label at a human gate.
    """

    types: Set[str] | None = None
    backends: Set[str] | None = None
    agents: Set[str] | None = None
    providers: Set[str] | None = None
    models: Set[str] | None = None
    has_program: Callable[[str], bool] | None = None
    accelerator: Callable[[str], str] | None = None


class LintRule(Protocol):
    """Looks at a graph for one kind of mistake; it has the name of its file."""

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterable[Diagnostic]:
        """Return what is wrong, in time linear in the size of the graph."""
        ...


class BuiltInRule(LintRule, Protocol):
    """A rule of a file of its own, which says how grave it is to break it."""

    severity: Severity
    """The severity of all that it reports."""


def rule_registry() -> Registry[BuiltInRule]:
    """Return the rules by name, none of them imported."""
    return Registry("attractor.language.rules", BuiltInRule, noun="rule")


_NEW_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_HINT = "hand in an object with apply(graph), which returns what it found"


class SpecRule(Protocol):
    """A rule as the specification has it: it has a name, and looks at a graph alone."""

    name: str

    def apply(self, graph: Graph) -> Iterable[Diagnostic]:
        """Return what is wrong."""
        ...


ExtraRules = Mapping[str, LintRule | SpecRule] | Iterable[LintRule | SpecRule]


class NamedRule(NamedTuple):
    """A rule with the name that it reports under; others may have the same one."""

    name: str
    rule: LintRule


class _Adapted:
    """A rule that callers brought, which may need no vocabulary."""

    def __init__(self, name: str, rule: LintRule | SpecRule) -> None:
        self._name = name
        self._apply: Callable[..., object] = _apply_of(name, rule)
        self._wants_vocabulary = count_wanted(self._apply) > 1

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        found = self._apply(graph, vocabulary) if self._wants_vocabulary else self._apply(graph)
        if not isinstance(found, Iterable):
            raise self._refuse("returned", found)
        for one in cast(Iterable[object], found):
            if not isinstance(one, Diagnostic):
                raise self._refuse("found", one)
            yield one

    def _refuse(self, verb: str, found: object) -> UsageError:
        message = f"the rule {quote(self._name)} {verb} {type(found).__name__}, no diagnostics"
        return UsageError(message, hint="return diagnostics; none at all when nothing is wrong")


def named_rules(rules: ExtraRules) -> Sequence[NamedRule]:
    """Return rules with their names; one that has none goes by its class."""
    if isinstance(rules, Mapping):
        by_name = cast(Mapping[str, LintRule | SpecRule], rules)
        named = [*by_name.items()]
    else:
        named = [(_name(rule), rule) for rule in rules]
    return [NamedRule(name, _Adapted(name, rule)) for name, rule in named]


def _name(rule: LintRule | SpecRule) -> str:
    name = getattr(rule, "name", "")
    return name if name and isinstance(name, str) else _NEW_WORD.sub("_", _class_name(rule)).lower()


def _class_name(rule: object) -> str:
    return rule.__name__ if isinstance(rule, type) else type(rule).__name__


def _apply_of(name: str, rule: LintRule | SpecRule) -> Callable[..., object]:
    apply: object = getattr(rule, "apply", None)
    if isinstance(rule, type):
        message = f"the rule {quote(name)} is a class"
        raise UsageError(message, hint=f"hand in an object of it: {rule.__name__}()")
    if not callable(apply):
        raise UsageError(f"the rule {quote(name)} has no method apply", hint=_HINT)
    return apply


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
