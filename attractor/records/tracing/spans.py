"""Makes spans from the events of a run, in a pure function over values.

A span is about a run, a branch, a stage, or a call of a model or a tool. A span ends with an event,
or at the end of all events.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta

from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.base.json import Json
from attractor.engine.state.attempts import stage_id

SpanKey = tuple[str, ...]
"""The key of a span: its kind, its run, and the id of its subject."""

Value = str | int | float | bool
Attributes = Mapping[str, Value]

LONGEST_ERROR = 1000

RUN, BRANCH, STAGE, MODEL, TOOL = "run", "branch", "stage", "model", "tool"


@dataclass(frozen=True)
class Span:
    """A span that has begun; `end` is set after the span has ended, `error` after a failure."""

    key: SpanKey
    parent: SpanKey | None
    name: str
    start: datetime
    attributes: Attributes = field(default_factory=dict[str, Value])
    end: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class Spans:
    """The open spans, the outermost run, and the prefix of branch names in each child."""

    root: str = ""
    open: Mapping[SpanKey, Span] = field(default_factory=dict[SpanKey, Span])
    prefixes: Mapping[str, str] = field(default_factory=dict[str, str])
    models: Mapping[SpanKey, tuple[str, str]] = field(
        default_factory=dict[SpanKey, tuple[str, str]]
    )
    last: datetime | None = None


@dataclass(frozen=True)
class Folded:
    """The open spans after an event, and the spans that this event ended, the innermost first."""

    spans: Spans
    ended: tuple[Span, ...] = ()


def run_key(run_id: str) -> SpanKey:
    """Return the key of a run's span."""
    return (RUN, run_id)


def begin(spans: Spans, span: Span) -> Spans:
    """Return the spans with one more open span."""
    return replace(spans, open={**spans.open, span.key: span})


def update(
    spans: Spans, key: SpanKey, more: Attributes, *, name: str = "", error: str = ""
) -> Spans:
    """Return the spans with more attributes of one open span; other spans are unchanged."""
    span = spans.open.get(key)
    if span is None:
        return spans
    attributes = {**span.attributes, **more}
    updated = replace(
        span, name=name or span.name, attributes=attributes, error=error or span.error
    )
    return begin(spans, updated)


def end(
    spans: Spans, keys: Iterable[SpanKey], at: datetime, more: Attributes, *, error: str = ""
) -> Folded:
    """End some spans; return the other open spans and the ended spans.

    The last ended span gets the attributes.
    """
    found = [spans.open[key] for key in keys if key in spans.open]
    if not found:
        return Folded(spans)
    *within, last = (replace(one, end=at) for one in found)
    updated = replace(last, attributes={**last.attributes, **more}, error=error[:LONGEST_ERROR])
    gone = {one.key for one in found}
    left = {key: one for key, one in spans.open.items() if key not in gone}
    return Folded(replace(spans, open=left), (*within, updated))


def close(spans: Spans) -> tuple[Span, ...]:
    """Return all open spans as ended at the time of the last event."""
    open_ = reversed(list(spans.open.values()))
    return tuple(replace(one, end=spans.last or one.start) for one in open_)


def is_within(spans: Spans, key: SpanKey, stage: SpanKey) -> bool:
    """Return whether a span is inside a stage: a call, a branch, or a child run of the stage."""
    while key in spans.open and (parent := spans.open[key].parent):
        if parent == stage:
            return True
        key = parent
    return False


Change = Callable[[Spans, Event], Folded]


def fold(spans: Spans, event: Event) -> Folded:
    """Return the spans after one more event of a run or of one of its child runs."""
    spans = _note_run(spans, event)
    change = _CHANGES.get(event.type)
    return change(spans, event) if change else Folded(spans)


def _note_run(spans: Spans, event: Event) -> Spans:
    """Record a run at its first event, and the time of the last event."""
    spans = replace(spans, last=max(spans.last or event.time, event.time))
    if not spans.root:
        spans = replace(spans, root=event.run_id)
        attributes = {"attractor.run_id": event.run_id}
        root = Span(run_key(event.run_id), None, "run", event.time, attributes)
        spans = begin(spans, root)
    if event.branch and event.node is None and event.run_id not in spans.prefixes:
        # An event about a whole child has the name of the child as its branch.
        spans = replace(spans, prefixes={**spans.prefixes, event.run_id: event.branch})
    return spans


def _stage_key(event: Event) -> SpanKey:
    attempt = stage_id(event.node or "", event.visit or 1, event.attempt or 1)
    return (STAGE, event.run_id, attempt)


def _branch_of(spans: Spans, event: Event) -> str:
    """Return the branch of an event by the branch name in its own run, without a child's prefix."""
    branch, prefix = event.branch or "", spans.prefixes.get(event.run_id, "")
    return branch.removeprefix(prefix).removeprefix("/") if prefix else branch


def _around(spans: Spans, event: Event) -> SpanKey:
    """Return the span that contains a stage."""
    branch = _branch_of(spans, event)
    return (BRANCH, event.run_id, branch) if branch else run_key(event.run_id)


def _stage_started(spans: Spans, event: Event) -> Folded:
    return Folded(begin(spans, _stage(spans, event, event.time)))


def _stage(spans: Spans, event: Event, start: datetime) -> Span:
    attributes: Attributes = {
        "attractor.run_id": event.run_id,
        "attractor.node": event.node or "",
        "attractor.visit": event.visit or 1,
        "attractor.attempt": event.attempt or 1,
    }
    key = _stage_key(event)
    return Span(key, _around(spans, event), f"stage {event.node}", start, attributes)


def _stage_ended(spans: Spans, event: Event) -> Folded:
    key = _stage_key(event)
    if key not in spans.open:
        # A slow reader of events may have missed the beginning.
        start = event.time - timedelta(seconds=_number(event.data.get("duration")))
        spans = begin(spans, _stage(spans, event, start))
    error = _text(event, "error")
    outcome = _text(event, "outcome") or "fail"
    attributes = {"attractor.outcome": outcome}
    if failure := _text(event, "failure_class"):
        attributes["error.type"] = failure
    within = [one for one in spans.open if is_within(spans, one, key)]
    return end(spans, [*reversed(within), key], event.time, attributes, error=error)


def _branch_started(spans: Spans, event: Event) -> Folded:
    name = _text(event, "branch")
    key = (BRANCH, event.run_id, _branch_of(spans, event))
    attributes: Attributes = {"attractor.run_id": event.run_id, "attractor.branch": name}
    span = Span(key, _stage_key(event), f"branch {name}", event.time, attributes)
    return Folded(begin(spans, span))


def _branch_ended(spans: Spans, event: Event) -> Folded:
    key = (BRANCH, event.run_id, _branch_of(spans, event))
    outcome, is_good = _text(event, "outcome"), event.data.get("success") is True
    error = "" if is_good or outcome == "canceled" else _text(event, "reason") or outcome
    return end(spans, [key], event.time, {"attractor.outcome": outcome}, error=error)


def _child_started(spans: Spans, event: Event) -> Folded:
    child, file = _text(event, "run_id"), _text(event, "file")
    attributes: Attributes = {"attractor.run_id": child, "attractor.file": file}
    span = Span(run_key(child), _stage_key(event), f"run {file}", event.time, attributes)
    return Folded(begin(spans, span))


def _child_ended(spans: Spans, event: Event) -> Folded:
    outcome = _text(event, "outcome")
    is_good = outcome in ("success", "partial_success")
    error = "" if is_good else _text(event, "reason") or outcome
    key = run_key(_text(event, "run_id"))
    return end(spans, [key], event.time, {"attractor.outcome": outcome}, error=error)


def _pipeline_started(spans: Spans, event: Event) -> Folded:
    pipeline = _text(event, "name")
    said: Attributes = {"attractor.pipeline": pipeline}
    return _update_run(spans, event, said, name=f"run {pipeline}")


def _pipeline_ended(spans: Spans, event: Event) -> Folded:
    """Record the end of a run; the span stays open, because an evaluation may follow."""
    error = _text(event, "error")
    outcome = {"attractor.outcome": _text(event, "outcome") or "fail"}
    return _update_run(spans, event, outcome, error=error)


def _update_run(
    spans: Spans, event: Event, more: Attributes, *, name: str = "", error: str = ""
) -> Folded:
    """Add attributes to a run; attributes of a child run come from the events of the parent."""
    if event.branch:
        return Folded(spans)
    return Folded(update(spans, run_key(event.run_id), more, name=name, error=error))


def _status(spans: Spans, event: Event) -> Folded:
    status = {"attractor.status": _text(event, "status")}
    return _update_run(spans, event, status)


def _restarting(spans: Spans, event: Event) -> Folded:
    """Continue the trace with the run that continues this run."""
    before, next_id = run_key(event.run_id), _text(event, "run_id")
    if event.run_id != spans.root:
        return Folded(spans)
    attributes: Attributes = {"attractor.run_id": next_id}
    span = Span(run_key(next_id), before, spans.open[before].name, event.time, attributes)
    return Folded(replace(begin(spans, span), root=next_id))


def _interrupted(spans: Spans, event: Event) -> Folded:
    stopped = {"attractor.stopped": _text(event, "reason")}
    return _update_run(spans, event, stopped)


def _session(spans: Spans, event: Event) -> Folded:
    model = _text(event, "provider"), _text(event, "model")
    return Folded(replace(spans, models={**spans.models, _session_key(event): model}))


def _model_called(spans: Spans, event: Event) -> Folded:
    stage = _stage_key(event)
    provider, model = spans.models.get(_session_key(event), ("", ""))
    attributes: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
    }
    key = (MODEL, *_session_key(event)[1:])
    return Folded(begin(spans, Span(key, stage, f"chat {model}", event.time, attributes)))


def _model_answered(spans: Spans, event: Event) -> Folded:
    attributes: dict[str, Value] = {}
    match event.data.get("usage"):
        case {**used}:
            for name in ("input_tokens", "output_tokens"):
                attributes[f"gen_ai.usage.{name}"] = int(_number(used.get(name)))
        case _:
            pass
    return end(spans, [(MODEL, *_session_key(event)[1:])], event.time, attributes)


def _tool_called(spans: Spans, event: Event) -> Folded:
    tool, call = _text(event, "tool_name"), _text(event, "call_id")
    attributes: Attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.call.id": call,
    }
    stage = _stage_key(event)
    key = (TOOL, *_session_key(event)[1:], call)
    return Folded(begin(spans, Span(key, stage, f"execute_tool {tool}", event.time, attributes)))


def _tool_answered(spans: Spans, event: Event) -> Folded:
    key = (TOOL, *_session_key(event)[1:], _text(event, "call_id"))
    return end(spans, [key], event.time, {}, error=_text(event, "error"))


def _session_key(event: Event) -> SpanKey:
    """Return the key of a stage, or of a subagent of the stage."""
    subagent = _text(event, "subagent")
    return (*_stage_key(event), subagent) if subagent else _stage_key(event)


def _text(event: Event, name: str) -> str:
    value = event.data.get(name)
    return value if isinstance(value, str) else ""


def _number(value: Json) -> float:
    return value if isinstance(value, int | float) else 0.0


_CHANGES: Mapping[str, Change] = {
    "PipelineStarted": _pipeline_started,
    "PipelineCompleted": _pipeline_ended,
    "PipelineFailed": _pipeline_ended,
    "RunStatusChanged": _status,
    "RunRestarting": _restarting,
    "RunInterrupted": _interrupted,
    "StageStarted": _stage_started,
    "StageCompleted": _stage_ended,
    "StageFailed": _stage_ended,
    "ParallelBranchStarted": _branch_started,
    "ParallelBranchCompleted": _branch_ended,
    "ChildRunStarted": _child_started,
    "ChildRunEnded": _child_ended,
    "SESSION_START": _session,
    "ASSISTANT_TEXT_START": _model_called,
    "ASSISTANT_TEXT_END": _model_answered,
    "TOOL_CALL_START": _tool_called,
    "TOOL_CALL_END": _tool_answered,
}
