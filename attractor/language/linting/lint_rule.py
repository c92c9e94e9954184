"""Lint rules: interface and registry, and helpers for the values and conditions that
rules check.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain
from typing import NamedTuple, Protocol, cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, UsageError
from attractor.base.patterns import late_pattern
from attractor.base.registry import Registry, count_parameters
from attractor.language.conditions.condition import ALWAYS, OUTCOMES, Condition, canonical_outcome
from attractor.language.diagnostics import (
    Diagnostic,
    Edit,
    Mistake,
    Severity,
    one_slip,
    suggester,
    word_edits,
)
from attractor.language.graph.graph import DEFAULT_TYPE, Edge, Graph, each_attribute
from attractor.language.source.syntax_tree import Span, quoted
from attractor.language.source.text import quote, span_within


@dataclass(frozen=True)
class Vocabulary:
    """Known names and check functions that the caller provides.

    A rule reports nothing if a name or function that the rule needs is missing. `has_program`
    returns whether a program is on the PATH. `provider_fault` returns what the provider of a model
    lacks, by the names of both. `shell_error` returns the syntax error of a shell command, or
    nothing. `accelerator` returns the key that picks a label at a human gate.
    """

    types: Set[str] | None = None
    backends: Set[str] | None = None
    agents: Set[str] | None = None
    providers: Set[str] | None = None
    models: Set[str] | None = None
    has_program: Callable[[str], bool] | None = None
    provider_fault: Callable[[str, str], AttractorError | None] | None = None
    shell_error: Callable[[str], str] | None = None
    accelerator: Callable[[str], str] | None = None


class LintRule(Protocol):
    """Checks a graph for one kind of mistake; the file name of a rule is the name of the rule."""

    def apply(self, graph: Graph, vocabulary: Vocabulary, /) -> Iterable[Diagnostic]:
        """Return the diagnostics, in time linear in the size of the graph."""
        ...


@dataclass(frozen=True)
class BuiltInRule:
    """A rule of `language/rules`, with the severity of its diagnostics."""

    severity: Severity
    apply: Callable[[Graph, Vocabulary], Iterator[Diagnostic]]


def rule_registry() -> Registry[BuiltInRule]:
    """Return the rules by name; a rule is imported when it is used."""
    return Registry("attractor.language.rules", BuiltInRule, noun="rule")


_NEW_WORD = late_pattern(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_HINT = "pass an object with apply(graph), which returns diagnostics"


class SpecRule(Protocol):
    """A rule of attractor-spec 7.4: the rule has a name and takes only the graph."""

    name: str

    def apply(self, graph: Graph) -> Iterable[Diagnostic]:
        """Return the diagnostics."""
        ...


ExtraRules = Mapping[str, LintRule | SpecRule] | Iterable[LintRule | SpecRule]


class NamedRule(NamedTuple):
    """A rule, and the name of the rule in diagnostics; the name does not have to be unique."""

    name: str
    rule: LintRule


class _Adapted:
    """Adapts a rule of the caller; such a rule does not have to accept a vocabulary."""

    def __init__(self, name: str, rule: LintRule | SpecRule) -> None:
        self._name = name
        apply: object = getattr(rule, "apply", None)
        if isinstance(rule, type):
            message = f"the rule {quote(name)} is a class"
            raise UsageError(message, hint=f"pass an object: {rule.__name__}()")
        if not callable(apply):
            raise UsageError(f"the rule {quote(name)} has no method apply", hint=_HINT)
        self._apply: Callable[..., object] = apply
        self._wants_vocabulary = count_parameters(self._apply) > 1

    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        found = self._apply(graph, vocabulary) if self._wants_vocabulary else self._apply(graph)
        if not isinstance(found, Iterable):
            raise self._refuse("returned", found)
        for diagnostic in cast(Iterable[object], found):
            if not isinstance(diagnostic, Diagnostic):
                raise self._refuse("found", diagnostic)
            yield diagnostic

    def _refuse(self, verb: str, found: object) -> UsageError:
        message = f"the rule {quote(self._name)} {verb} {type(found).__name__}, not diagnostics"
        return UsageError(message, hint="return a list of diagnostics, which may be empty")


def named_rules(rules: ExtraRules) -> Sequence[NamedRule]:
    """Return rules with their names; the default name is the class name."""
    if isinstance(rules, Mapping):
        by_name = cast(Mapping[str, LintRule | SpecRule], rules)
        named = [*by_name.items()]
    else:
        named = [(_name(rule), rule) for rule in rules]
    return [NamedRule(name, _Adapted(name, rule)) for name, rule in named]


def _name(rule: LintRule | SpecRule) -> str:
    name = getattr(rule, "name", "")
    if name and isinstance(name, str):
        return name
    class_ = rule if isinstance(rule, type) else type(rule)
    return _NEW_WORD.sub("_", class_.__name__).lower()


class EdgeCondition(NamedTuple):
    """A condition of an edge, with its text."""

    edge: Edge
    condition: Condition
    text: str

    @property
    def ends(self) -> tuple[str, str]:
        """Source and target of the edge."""
        return self.edge.source, self.edge.target

    def span(self, start: int, end: int) -> Span:
        """Return the span of a part of the condition."""
        value = self.edge.attributes.value("condition")
        if value is None or not value.span.is_somewhere:
            return self.edge.span
        return span_within(value, start, end)

    def report(self, severity: Severity, mistake: Mistake) -> Diagnostic:
        """Return the diagnostic of a mistake, with an edit if its place is known exactly."""
        message, start, end, fix, _, instead = mistake
        edits = edits_within(self, start, end, instead)
        span = self.span(start, end)
        return Diagnostic(severity, message, span, edge=self.ends, fix=fix, edits=edits)


def edge_conditions(
    graph: Graph, concerns: Callable[[Condition, str], bool]
) -> Iterator[EdgeCondition]:
    """Yield the conditions that a predicate selects; a condition shared by a chain of edges is
    yielded once.
    """
    asked: dict[int, bool] = {}
    seen: set[Span] = set()
    for edge in graph.edges_with("condition"):
        condition = edge.condition
        # Conditions with the same text are the same object: most pipelines have few.
        answer = asked.get(id(condition))
        if answer is None:
            text = edge.attributes.text("condition")
            answer = asked[id(condition)] = condition is not ALWAYS and concerns(condition, text)
        if not answer:
            continue
        value = edge.attributes.value("condition")
        if value is None or (value.span.is_somewhere and value.span in seen):
            continue
        seen.add(value.span)
        yield EdgeCondition(edge, condition, str(value))


def edits_within(guard: EdgeCondition, start: int, end: int, instead: str) -> tuple[Edit, ...]:
    """Return the edit of a part of a condition, if the position of the part is known exactly."""
    value = guard.edge.attributes.value("condition")
    if not instead or value is None or not value.span.is_somewhere:
        return ()
    span = span_within(value, start, end)
    return (Edit(span, quoted(instead)[1:-1]),) if span != value.span else ()


_OUTCOME = ("outcome",)
# Keys of other tools for the outcome.
_OTHER_NAMES = frozenset({"status", "result"})
_CLAUSE = late_pattern(r'(?<![\w.":-])(?P<key>[A-Za-z_]\w*)\s*!?=\s*"?(?P<word>\w+)(?![\w.-])')


def misspelled_outcomes(text: str) -> Iterator[Mistake]:
    """Yield each key such as `Outcome` or `status` that is compared with an outcome."""
    for found in _CLAUSE.finditer(text):
        key, slip = found["key"], one_slip(found["key"], _OUTCOME)
        is_misnamed = key not in _OUTCOME and (slip or key in _OTHER_NAMES)
        if is_misnamed and canonical_outcome(found["word"]) in OUTCOMES:
            message = f"{quote(key)} is a context key, not the outcome of a stage"
            start, end = found.span("key")
            yield Mistake(message, start, end, "did you mean outcome?", instead=slip)


_SHOWN = 12
_INPUT = "${"


def unknown_names(
    graph: Graph,
    noun: str,
    key: str,
    known: Set[str] | None,
    *,
    also_known: Set[str] = frozenset(),
    otherwise: str = "",
    is_required: bool = False,
) -> Iterator[Diagnostic]:
    """Report each unknown name that is a value of a key; a name in a stylesheet is reported once.

    `known` is only iterated if necessary; `also_known` are further known names. `otherwise` is the
    fix if no known name is similar (default: some of the known names). With `is_required`, a run of
    stages with this name is refused, and the message says so.
    """
    if known is None:
        return
    sheet = graph.attributes.value("model_stylesheet")
    suggest = suggester(chain.from_iterable((known, also_known)))
    seen: set[tuple[str, Span]] = set()
    for holder, attribute in each_attribute(graph, {key}):
        name, span = str(attribute.value), attribute.value.span
        is_known = name in also_known or name in known
        if not name or is_known or _INPUT in name or (name, span) in seen:
            continue
        is_from_sheet = sheet is not None and span == sheet.span and span.is_somewhere
        if span.is_somewhere:
            seen.add((name, span))
        is_refused = is_required and _is_of_stage(graph, key, span)
        meant = "" if is_from_sheet else one_slip(name, {*known, *also_known})
        if is_from_sheet and sheet:
            start = str(sheet).find(name)
            span = span_within(sheet, start, start + len(name)) if start >= 0 else span
        yield Diagnostic(
            Severity.WARNING,
            f"unknown {noun} {quote(name)}"
            + (": only a simulation can run this" if is_refused else ""),
            span,
            node="" if is_from_sheet else holder.node,
            fix=suggest(name) or otherwise or _choice({*known, *also_known}),
            edits=word_edits(attribute.value, meant),
        )


def _is_of_stage(graph: Graph, key: str, span: Span) -> bool:
    """Return whether a model stage, or the graph for all its stages, has the value at a place."""
    owners = [node.attributes for node in graph.of_type(DEFAULT_TYPE)]
    if key == "llm_provider":
        owners.append(graph.attributes)
    return any(value.span == span for owner in owners if (value := owner.value(key)))


def _choice(known: Set[str]) -> str:
    names = sorted(known)
    others = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"known: {', '.join(names[:_SHOWN])}{others}" if names else "there are no known names"
