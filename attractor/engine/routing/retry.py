"""Decides how often a stage is tried, and how long to wait in between (attractor-spec 3.5, 3.6).

Whether a stage fails in the same way again and again: then going round once more is no help.

Notices a stage of which nothing is heard any more.

Finds the loops in the path of a walk.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Self

from attractor.base.clock import Backoff
from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError, UnknownName
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from attractor.language.graph.graph import Graph, Node

LONGEST = 200
TRIED_OUT = "max retries exceeded"
"""What stands before the reason of a stage that wants to be tried again once too often."""
_VARYING = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{7,64}\b|[0-9]+")


@dataclass(frozen=True)
class Streak:
    """How often in a row a stage failed in the same way, over visits and attempts together."""

    failure: str = ""
    alike: int = 0

    def and_then(self, failure: str) -> "Streak":
        """Return the streak with one more failure, by its signature."""
        return Streak(failure, self.alike + 1 if failure == self.failure else 1)


NO_STREAK = Streak()


def signature(reason: str) -> str:
    """Return a failure's reason without what differs from time to time: numbers, ids, blanks."""
    reason = reason.removeprefix(f"{TRIED_OUT}: ")
    return " ".join(_VARYING.sub("#", reason.casefold()).split())[:LONGEST]


def alike_limit(graph: Graph, node: Node) -> int | None:
    """Return how often in a row a stage may fail in the same way; None is as often as it likes."""
    own = node.attributes.number("max_same_failures")
    return graph.attributes.number("max_same_failures") if own is None else own


@dataclass(frozen=True)
class RetryPolicy:
    """How often a stage is tried, and how long to wait between two attempts.

    A verdict, such as a failing test, is tried again only as often as the node itself says.
    """

    max_attempts: int
    backoff: Backoff
    max_attempts_after_verdict: int = 1


PRESETS: Mapping[str, RetryPolicy] = {
    "none": RetryPolicy(1, Backoff(initial=timedelta(), jitter=False)),
    "standard": RetryPolicy(5, Backoff(timedelta(milliseconds=200), 2.0)),
    "aggressive": RetryPolicy(5, Backoff(timedelta(milliseconds=500), 2.0)),
    "linear": RetryPolicy(3, Backoff(timedelta(milliseconds=500), 1.0)),
    "patient": RetryPolicy(3, Backoff(timedelta(milliseconds=2000), 3.0)),
}


def retry_policy(node: Node, graph: Graph) -> RetryPolicy:
    """Return a node's policy: `max_retries` says how often, `retry_policy` how long to wait."""
    name = require_policy(node, graph)
    own = node.attributes.number("max_retries")
    preset = PRESETS[name or "standard"]
    return RetryPolicy(
        max_attempts=1 + max(0, _retries(node, graph, preset if name else PRESETS["none"])),
        backoff=preset.backoff,
        max_attempts_after_verdict=1 + max(0, own or 0),
    )


def require_policy(node: Node, graph: Graph) -> str:
    """Return the name of a node's policy, if it or the graph names one; it must be a known one."""
    name = node.attributes.text("retry_policy") or graph.attributes.text("retry_policy")
    if name and name not in PRESETS:
        raise UnknownName("retry policy", name, PRESETS)
    return name


def may_retry(policy: RetryPolicy, outcome: Outcome, attempt: int) -> bool:
    """Tell whether an attempt that ended so is followed by another one (ruling R3)."""
    if outcome.status is StageStatus.RETRY:
        return attempt < policy.max_attempts
    if outcome.status is not StageStatus.FAIL:
        return False
    match outcome.failure_class:
        case FailureClass.TERMINAL | FailureClass.PIPELINE:
            return False
        case FailureClass.VERDICT:
            return attempt < policy.max_attempts_after_verdict
        case FailureClass.RETRYABLE | None:
            return attempt < policy.max_attempts


def settle(node: Node, outcome: Outcome) -> Outcome:
    """Return what the last attempt's outcome comes to: a wish to try again is none any more."""
    if outcome.status is not StageStatus.RETRY:
        return outcome
    if node.attributes.flag("allow_partial"):
        notes = "\n".join(filter(None, [outcome.notes, "retries exhausted, partial accepted"]))
        return replace(outcome, status=StageStatus.PARTIAL_SUCCESS, notes=notes, failure_class=None)
    reason = ": ".join(filter(None, [TRIED_OUT, outcome.failure_reason]))
    return replace(outcome, status=StageStatus.FAIL, failure_reason=reason)


def failure_of(error: Exception) -> Outcome:
    """Return the failure that a handler's exception means.

    An exception may say by a flag `retryable` whether trying again can help; else it can when the
    machine or the network had trouble, and cannot when somebody made a mistake.
    """
    said = getattr(error, "retryable", None)
    can_help = said if isinstance(said, bool) else isinstance(error, OSError | MachineryError)
    kind = FailureClass.RETRYABLE if can_help else FailureClass.TERMINAL
    return failure(f"{type(error).__name__}: {error}", kind)


def _retries(node: Node, graph: Graph, preset: RetryPolicy) -> int:
    own = node.attributes.number("max_retries")
    if own is not None:
        return own
    if node.attributes.text("retry_policy") == "none":
        return 0
    default = graph.attributes.number("default_max_retries")
    if default is None:
        default = graph.attributes.number("default_max_retry")
    return preset.max_attempts - 1 if default is None else default


MAY_BE_SILENT = frozenset(
    {"wait", "wait.human", "parallel", "for_each", "pipeline", "stack.manager_loop"}
)
"""Types that wait for people, for the time, or for stages that are looked after themselves."""


class Stall:
    """Ends its block when no sign of life came for too long; each sign puts that off.

    Signs may come from any thread.
    """

    def __init__(self, limit: timedelta | None) -> None:
        self.limit = limit
        self._timer = asyncio.timeout(limit.total_seconds() if limit else None)
        self._put_off: Callable[[], object] = _do_nothing

    @property
    def is_over(self) -> bool:
        """Whether the time passed without a sign."""
        return self._timer.expired()

    def sign(self) -> None:
        """Begin to wait anew: something was heard."""
        self._put_off()

    async def __aenter__(self) -> Self:
        """Begin to wait."""
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
        """Wait no more."""
        self._put_off = _do_nothing
        return await self._timer.__aexit__(kind, error, trace)

    def _reschedule(self) -> None:
        if self.limit and self._put_off is not _do_nothing and not self._timer.expired():
            now = asyncio.get_running_loop().time()
            self._timer.reschedule(now + self.limit.total_seconds())


def stall_limit(node: Node, graph: Graph) -> timedelta | None:
    """Return how long nothing may be heard of a stage of a node; None is for ever."""
    if node.type in MAY_BE_SILENT:
        return None
    own = node.attributes.duration("stall_timeout")
    return graph.attributes.duration("stall_timeout") if own is None else own


def _do_nothing() -> None:
    """Take no notice."""


Loop = tuple[str, ...]


def find_loops(path: Sequence[str]) -> Mapping[Loop, int]:
    """Return each loop that a path went round, with how often; a loop begins where it was entered.

    What lies on a loop is taken off the way again, so the work grows with the path alone.
    """
    loops: Counter[Loop] = Counter()
    names: dict[Loop, Loop] = {}
    way: list[str] = []
    at: dict[str, int] = {}
    for node in path:
        if node in at:
            loop = tuple(way[at[node] :])
            loops[names.setdefault(_turned(loop), loop)] += 1
            for left in loop:
                del at[left]
            del way[-len(loop) :]
        at[node] = len(way)
        way.append(node)
    return loops


def _turned(loop: Loop) -> Loop:
    """Return a loop from its first node by name, so that it is the same wherever it begins."""
    first = loop.index(min(loop))
    return loop[first:] + loop[:first]
