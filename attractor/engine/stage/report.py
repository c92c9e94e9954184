"""Executes a stage and reads the report of its outcome."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from attractor.base.callables import call
from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.errors import FileError, NotCanonical, Unavailable, suggest
from attractor.base.json import Json, JsonObject, canonical_json, parse_json
from attractor.engine.errors import InvalidReport
from attractor.engine.outcome import (
    FailureClass,
    Outcome,
    StageStatus,
    failure,
    fault_of,
    outcome_to_record,
    success,
)
from attractor.engine.routing.retry import failure_of
from attractor.engine.seams import Halted, Handler, Stage
from attractor.engine.storage.json_files import read_untrusted
from attractor.language.graph.graph import Graph, Node

AUTO_STATUS_NOTES = "auto-status: handler completed without writing status"

_STATUSES = ("success", "partial_success", "retry", "fail")

_CLASSES = ("", "retryable", "terminal", "verdict")

_FIELDS = (
    "outcome",
    "preferred_label",
    "suggested_next_ids",
    "context_updates",
    "notes",
    "failure_reason",
    "failure_class",
)

_KEYS = frozenset({"outcome", "current_node"})

_PREFIXES = ("graph.", "internal.", "human.", "parallel.", "stack.", "work.", "growth.")


@dataclass(frozen=True)
class AttemptTimes:
    """The attempt that a status file describes, and the times of the attempt."""

    visit: int
    attempt: int
    started: datetime
    ended: datetime


def status_record(outcome: Outcome, times: AttemptTimes) -> dict[str, Json]:
    """Return the content of status.json for an attempt (attractor-spec, appendix C; ruling R8)."""
    return {
        **outcome_to_record(outcome),
        "visit": times.visit,
        "attempt": times.attempt,
        "started": times.started.isoformat(),
        "ended": times.ended.isoformat(),
    }


def auto_status() -> Outcome:
    """Return a success for a node with `auto_status` whose handler returned nothing."""
    return success(AUTO_STATUS_NOTES)


def read_report(path: Path) -> Outcome | None:
    """Read the report of an agent from a file; return None if there is no file."""
    if not path.is_symlink() and not path.exists():
        return None
    try:
        return parse_report(read_untrusted(path))
    except FileError as cause:
        raise InvalidReport(f"the report cannot be read: {cause}") from cause


def parse_report(text: str | bytes) -> Outcome:
    """Parse the report of an agent, or raise InvalidReport with a hint for the agent."""
    try:
        report = parse_json(text)
    except NotCanonical as cause:
        raise InvalidReport(f"the report is {cause}", hint="write one JSON object") from cause
    if not isinstance(report, dict):
        raise InvalidReport("the report is not a JSON object", hint=_EXAMPLE)
    return check_report(report)


def check_report(report: JsonObject) -> Outcome:
    """Return the outcome in a report, or raise InvalidReport."""
    for name in report:
        if name not in _FIELDS:
            near = suggest(name, _FIELDS)
            hint = f"did you mean {near}?" if near else f"known: {', '.join(_FIELDS)}"
            raise InvalidReport(f"the report has an unknown field {name!r}", hint=hint)
    if "outcome" not in report:
        raise InvalidReport("the report has no 'outcome'", hint=_EXAMPLE)
    updates = _updates(report.get("context_updates") or {})
    failure_class = _word(report, "failure_class", _CLASSES)
    return Outcome(
        StageStatus(_word(report, "outcome", _STATUSES)),
        preferred_label=_text(report, "preferred_label"),
        suggested_next_ids=_texts(report, "suggested_next_ids"),
        context_updates=updates,
        notes=_text(report, "notes"),
        failure_reason=_text(report, "failure_reason"),
        failure_class=FailureClass(failure_class) if failure_class else None,
    )


def forbidden_keys(updates: Mapping[str, Json]) -> Sequence[str]:
    """Return the context keys in a report that the report must not set, in order."""
    return [key for key in updates if _is_forbidden(key)]


_EXAMPLE = 'write for example {"outcome": "success", "notes": "what was done"}'


def _is_forbidden(key: str) -> bool:
    # Conditions find `context.X` under X too, so both are the same key.
    bare = key
    while bare.startswith("context."):
        bare = bare.removeprefix("context.")
    return bare in _KEYS or bare.startswith(_PREFIXES)


def _updates(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise InvalidReport("'context_updates' is not an object", hint=_EXAMPLE)
    if forbidden := forbidden_keys(value):
        raise InvalidReport(
            f"a report must not set {', '.join(forbidden)}",
            hint="these keys are reserved: choose other names",
        )
    return value


def _text(report: JsonObject, name: str) -> str:
    value = report.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidReport(f"{name!r} is not a text", hint=_EXAMPLE)
    return value


def _texts(report: JsonObject, name: str) -> tuple[str, ...]:
    value = report.get(name) or []
    if not isinstance(value, list):
        raise InvalidReport(f"{name!r} is not a list", hint='write ["node_id"]')
    texts = tuple(one for one in value if isinstance(one, str))
    if len(texts) < len(value):
        raise InvalidReport(f"{name!r} contains items that are not texts", hint='write ["node_id"]')
    return texts


def _word(report: JsonObject, name: str, known: Sequence[str]) -> str:
    word = _text(report, name)
    if word not in known:
        near = suggest(word, known)
        words = ", ".join(filter(None, known))
        hint = f"did you mean {near}?" if near else f"write one of: {words}"
        raise InvalidReport(f"{name!r} cannot be {word!r}", hint=hint)
    return word


MAY_BE_SILENT = frozenset(
    {"wait", "wait.human", "parallel", "for_each", "pipeline", "stack.manager_loop", "scenarios"}
)
"""The node types whose stages wait for people, for time, or for other stages."""


class Stall:
    """Cancels the `async with` block after too long a time without activity.

    `sign` may be called from any thread.
    """

    def __init__(self, limit: timedelta | None) -> None:
        self.limit = limit
        self._timer = asyncio.timeout(limit.total_seconds() if limit else None)
        self._put_off: Callable[[], object] = _do_nothing

    @property
    def is_over(self) -> bool:
        """Whether the time without activity was too long."""
        return self._timer.expired()

    def sign(self) -> None:
        """Signal activity."""
        self._put_off()

    async def __aenter__(self) -> Self:
        """Start the timer."""
        await self._timer.__aenter__()
        if self.limit:
            loop = asyncio.get_running_loop()
            self._put_off = lambda: loop.call_soon_threadsafe(self._reschedule)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Stop the timer."""
        self._put_off = _do_nothing
        return await self._timer.__aexit__(kind, error, trace)

    def _reschedule(self) -> None:
        if self.limit and self._put_off is not _do_nothing and not self._timer.expired():
            now = asyncio.get_running_loop().time()
            self._timer.reschedule(now + self.limit.total_seconds())


def stall_limit(node: Node, graph: Graph) -> timedelta | None:
    """Return the time that a stage may run without activity; None means no limit."""
    if node.type in MAY_BE_SILENT:
        return None
    own = node.attributes.duration("stall_timeout")
    return graph.attributes.duration("stall_timeout") if own is None else own


def _do_nothing() -> None:
    """Ignore the signal."""


KEEP_THEIR_OWN_TIME = frozenset({"tool", "wait.human"})

GRACE = timedelta(seconds=30)
"""The extra time for node types whose handlers handle time-outs themselves."""


async def execute(handler: Handler, stage: Stage, *, stall: Stall | None = None) -> Outcome:
    """Return the outcome of a handler; an exception becomes a failure (attractor-spec 4.12).

    Only Halted, Unavailable and the cancellation of this task are raised.
    """
    stall = stall or Stall(None)
    timer = asyncio.timeout(None)
    try:
        limit = _limit(stage.node)
        async with asyncio.timeout(limit.total_seconds() if limit else None) as timer, stall:
            returned = await call(handler.execute, stage)
        return _checked(stage.node, returned)
    except (Halted, Unavailable):
        raise
    except asyncio.CancelledError:
        if _is_cancelling():
            raise
        return failure("the handler canceled itself")
    # By the contract of handlers, none of their exceptions ends the walk.
    except Exception as error:  # noqa: BLE001
        if isinstance(error, TimeoutError) and stall.is_over:
            heard = describe_duration(stall.limit or timedelta())
            return failure(f"stalled: no activity for {heard}")
        if isinstance(error, TimeoutError) and timer.expired():
            written = stage.node.attributes.duration("timeout") or timedelta()
            return failure(f"timed out after {describe_duration(written)}")
        return failure_of(error)


def _limit(node: Node) -> timedelta | None:
    limit = node.attributes.duration("timeout")
    if limit is None:
        return None
    return limit + GRACE if node.type in KEEP_THEIR_OWN_TIME else limit


def _checked(node: Node, returned: object) -> Outcome:
    """Return the outcome of a handler if it is valid, otherwise a failure."""
    if returned is None and node.attributes.flag("auto_status"):
        return auto_status()
    if not isinstance(returned, Outcome):
        kind = type(returned).__name__
        return failure(f"the handler returned {kind}, not an Outcome", FailureClass.TERMINAL)
    if fault := fault_of(returned) or _fault_of_values(returned.context_updates):
        return failure(fault, FailureClass.TERMINAL)
    if returned.status is StageStatus.FAIL and not returned.failure_reason:
        return replace(returned, failure_reason=f"{node.id} failed")
    return returned


def _fault_of_values(updates: JsonObject) -> str:
    try:
        canonical_json(updates)
    except NotCanonical as fault:
        return f"context updates: {fault}"
    return ""


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
