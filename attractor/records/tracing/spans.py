"""Makes spans from the events of a run.

A span is about a run, a branch, a stage, or a call of a model or a tool. A span ends with an event,
or at the end of all events.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
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


Ended = Sequence[Span]
"""Spans that have ended."""


@dataclass
class Spans:
    """The open spans, the outermost run, the prefix of branch names in each child, and models."""

    root: str = ""
    open: dict[SpanKey, Span] = field(default_factory=dict[SpanKey, Span])
    prefixes: dict[str, str] = field(default_factory=dict[str, str])
    models: dict[SpanKey, tuple[str, str]] = field(default_factory=dict[SpanKey, tuple[str, str]])
    last: datetime | None = None

    def begin(self, span: Span) -> None:
        """Add an open span."""
        self.open[span.key] = span

    def end(
        self, keys: Iterable[SpanKey], at: datetime, more: Attributes, *, error: str = ""
    ) -> Ended:
        """End some spans, and return them; the last one gets the attributes."""
        ended = [replace(self.open.pop(key), end=at) for key in keys if key in self.open]
        if ended:
            attributes = {**ended[-1].attributes, **more}
            ended[-1] = replace(ended[-1], attributes=attributes, error=error[:LONGEST_ERROR])
        return ended


@dataclass(frozen=True)
class Folded:
    """The open spans after an event, and the spans that this event ended, the innermost first."""

    spans: Spans
    ended: Ended = ()


def run_key(run_id: str) -> SpanKey:
    """Return the key of a run's span."""
    return (RUN, run_id)


def close(spans: Spans) -> tuple[Span, ...]:
    """Return all open spans as ended at the time of the last event."""
    open_ = reversed(spans.open.values())
    return tuple(replace(span, end=spans.last or span.start) for span in open_)


def is_within(spans: Spans, key: SpanKey, stage: SpanKey) -> bool:
    """Return whether a span is inside a stage: a call, a branch, or a child run of the stage."""
    while key in spans.open and (parent := spans.open[key].parent):
        if parent == stage:
            return True
        key = parent
    return False


def fold(spans: Spans, event: Event) -> Folded:
    """Add one more event of a run or of one of its child runs to the spans."""
    spans.last = max(spans.last or event.time, event.time)
    if not spans.root:
        spans.root = event.run_id
        attributes = {"attractor.run_id": event.run_id}
        spans.begin(Span(run_key(event.run_id), None, "run", event.time, attributes))
    if event.branch and event.node is None:
        # An event about a whole child has the name of the child as its branch.
        spans.prefixes.setdefault(event.run_id, event.branch)
    change = _CHANGES.get(event.type)
    return Folded(spans, (change(spans, event) or ()) if change else ())


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


def _stage_started(spans: Spans, event: Event) -> None:
    spans.begin(_stage(spans, event, event.time))


def _stage(spans: Spans, event: Event, start: datetime) -> Span:
    attributes: Attributes = {
        "attractor.run_id": event.run_id,
        "attractor.node": event.node or "",
        "attractor.visit": event.visit or 1,
        "attractor.attempt": event.attempt or 1,
    }
    key = _stage_key(event)
    return Span(key, _around(spans, event), f"stage {event.node}", start, attributes)


def _stage_ended(spans: Spans, event: Event) -> Ended:
    key = _stage_key(event)
    if key not in spans.open:
        # A slow reader of events may have missed the beginning.
        start = event.time - timedelta(seconds=_number(event.data.get("duration")))
        spans.begin(_stage(spans, event, start))
    attributes = {"attractor.outcome": _text(event, "outcome") or "fail"}
    if failure := _text(event, "failure_class"):
        attributes["error.type"] = failure
    within = [inner for inner in spans.open if is_within(spans, inner, key)]
    keys = [*reversed(within), key]
    return spans.end(keys, event.time, attributes, error=_text(event, "error"))


def _branch_started(spans: Spans, event: Event) -> None:
    name = _text(event, "branch")
    key = (BRANCH, event.run_id, _branch_of(spans, event))
    attributes: Attributes = {"attractor.run_id": event.run_id, "attractor.branch": name}
    spans.begin(Span(key, _stage_key(event), f"branch {name}", event.time, attributes))


def _branch_ended(spans: Spans, event: Event) -> Ended:
    key = (BRANCH, event.run_id, _branch_of(spans, event))
    outcome, is_good = _text(event, "outcome"), event.data.get("success") is True
    error = "" if is_good or outcome == "canceled" else _text(event, "reason") or outcome
    return spans.end([key], event.time, {"attractor.outcome": outcome}, error=error)


def _child_started(spans: Spans, event: Event) -> None:
    child, file = _text(event, "run_id"), _text(event, "file")
    attributes: Attributes = {"attractor.run_id": child, "attractor.file": file}
    spans.begin(Span(run_key(child), _stage_key(event), f"run {file}", event.time, attributes))


def _child_ended(spans: Spans, event: Event) -> Ended:
    outcome = _text(event, "outcome")
    is_good = outcome in ("success", "partial_success")
    error = "" if is_good else _text(event, "reason") or outcome
    key = run_key(_text(event, "run_id"))
    return spans.end([key], event.time, {"attractor.outcome": outcome}, error=error)


def _pipeline_started(spans: Spans, event: Event) -> None:
    pipeline = _text(event, "name")
    _update_run(spans, event, {"attractor.pipeline": pipeline}, name=f"run {pipeline}")


def _pipeline_ended(spans: Spans, event: Event) -> None:
    """Record the end of a run; the span stays open, because an evaluation may follow."""
    outcome = {"attractor.outcome": _text(event, "outcome") or "fail"}
    _update_run(spans, event, outcome, error=_text(event, "error"))


def _update_run(
    spans: Spans, event: Event, more: Attributes, *, name: str = "", error: str = ""
) -> None:
    """Add attributes to a run; attributes of a child run come from the events of the parent."""
    span = spans.open.get(run_key(event.run_id))
    if span and not event.branch:
        attributes = {**span.attributes, **more}
        name, error = name or span.name, error or span.error
        spans.begin(replace(span, name=name, attributes=attributes, error=error))


def _status(spans: Spans, event: Event) -> None:
    _update_run(spans, event, {"attractor.status": _text(event, "status")})


def _restarting(spans: Spans, event: Event) -> None:
    """Continue the trace with the run that continues this run."""
    if event.run_id == spans.root:
        before, spans.root = run_key(event.run_id), _text(event, "run_id")
        attributes: Attributes = {"attractor.run_id": spans.root}
        name = spans.open[before].name
        spans.begin(Span(run_key(spans.root), before, name, event.time, attributes))


def _interrupted(spans: Spans, event: Event) -> None:
    _update_run(spans, event, {"attractor.stopped": _text(event, "reason")})


def _session(spans: Spans, event: Event) -> None:
    spans.models[_session_key(event)] = _text(event, "provider"), _text(event, "model")


def _model_called(spans: Spans, event: Event) -> None:
    provider, model = spans.models.get(_session_key(event), ("", ""))
    attributes: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
    }
    key = (MODEL, *_session_key(event)[1:])
    spans.begin(Span(key, _stage_key(event), f"chat {model}", event.time, attributes))


def _model_answered(spans: Spans, event: Event) -> Ended:
    attributes: dict[str, Value] = {}
    match event.data.get("usage"):
        case {**used}:
            for name in ("input_tokens", "output_tokens"):
                attributes[f"gen_ai.usage.{name}"] = int(_number(used.get(name)))
        case _:
            pass
    return spans.end([(MODEL, *_session_key(event)[1:])], event.time, attributes)


def _tool_called(spans: Spans, event: Event) -> None:
    tool, call = _text(event, "tool_name"), _text(event, "call_id")
    attributes: Attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.call.id": call,
    }
    key = (TOOL, *_session_key(event)[1:], call)
    spans.begin(Span(key, _stage_key(event), f"execute_tool {tool}", event.time, attributes))


def _tool_answered(spans: Spans, event: Event) -> Ended:
    key = (TOOL, *_session_key(event)[1:], _text(event, "call_id"))
    return spans.end([key], event.time, {}, error=_text(event, "error"))


def _session_key(event: Event) -> SpanKey:
    """Return the key of a stage, or of a subagent of the stage."""
    subagent = _text(event, "subagent")
    return (*_stage_key(event), subagent) if subagent else _stage_key(event)


def _text(event: Event, name: str) -> str:
    value = event.data.get(name)
    return value if isinstance(value, str) else ""


def _number(value: Json) -> float:
    return value if isinstance(value, int | float) else 0.0


_CHANGES: Mapping[str, Callable[[Spans, Event], Ended | None]] = {
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
