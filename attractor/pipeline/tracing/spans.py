"""What a span is: a run, a branch, a stage, a call of a model or of a tool; values only."""

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime

from attractor.base.dataclasses import dataclass

SpanKey = tuple[str, ...]
"""What a span goes by: its kind, its run, and what it is about."""

Value = str | int | float | bool
Attributes = Mapping[str, Value]

LONGEST_ERROR = 1000

RUN, BRANCH, STAGE, MODEL, TOOL = "run", "branch", "stage", "model", "tool"


@dataclass(frozen=True)
class Span:
    """Something that has begun and, once `end` is known, ended; `error` says why it failed."""

    key: SpanKey
    parent: SpanKey | None
    name: str
    start: datetime
    attributes: Attributes = field(default_factory=dict[str, Value])
    end: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class Spans:
    """What is under way, the run that all is part of, and under which prefix each child speaks."""

    root: str = ""
    open: Mapping[SpanKey, Span] = field(default_factory=dict[SpanKey, Span])
    prefixes: Mapping[str, str] = field(default_factory=dict[str, str])
    models: Mapping[SpanKey, tuple[str, str]] = field(
        default_factory=dict[SpanKey, tuple[str, str]]
    )
    last: datetime | None = None


@dataclass(frozen=True)
class Folded:
    """What is under way after an event, and what ended with it: the innermost first."""

    spans: Spans
    ended: tuple[Span, ...] = ()


def run_key(run_id: str) -> SpanKey:
    """Return what the span of a run goes by."""
    return (RUN, run_id)


def begin(spans: Spans, span: Span) -> Spans:
    """Return the spans with one more under way."""
    return replace(spans, open={**spans.open, span.key: span})


def tell(spans: Spans, key: SpanKey, more: Attributes, *, name: str = "", error: str = "") -> Spans:
    """Return the spans with more said of one, if it is under way."""
    span = spans.open.get(key)
    if span is None:
        return spans
    attributes = {**span.attributes, **more}
    told = replace(span, name=name or span.name, attributes=attributes, error=error or span.error)
    return begin(spans, told)


def end(
    spans: Spans, keys: Iterable[SpanKey], at: datetime, more: Attributes, *, error: str = ""
) -> Folded:
    """Return the spans without some that end, and those; what is said is said of the last one."""
    found = [spans.open[key] for key in keys if key in spans.open]
    if not found:
        return Folded(spans)
    *within, last = (replace(one, end=at) for one in found)
    told = replace(last, attributes={**last.attributes, **more}, error=error[:LONGEST_ERROR])
    gone = {one.key for one in found}
    left = {key: one for key, one in spans.open.items() if key not in gone}
    return Folded(replace(spans, open=left), (*within, told))


def close(spans: Spans) -> tuple[Span, ...]:
    """Return all that is under way as ended with the last event: nothing more will be heard."""
    open_ = reversed(list(spans.open.values()))
    return tuple(replace(one, end=spans.last or one.start) for one in open_)


def is_within(spans: Spans, key: SpanKey, stage: SpanKey) -> bool:
    """Tell whether a span is one of a stage's own: its calls, its branches, its child."""
    while key in spans.open and (parent := spans.open[key].parent):
        if parent == stage:
            return True
        key = parent
    return False
