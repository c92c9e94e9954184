"""Decides whether another attempt follows, after which delay, or how the visit ends.

See attractor-spec 3.5 and 3.6, and ruling R3.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from attractor.base.backoff import Backoff
from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError, UnknownName
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from attractor.engine.receipts import receipt_command
from attractor.engine.seams import Stage
from attractor.engine.state.attempts import NO_STREAK, TRIED_OUT, Streak, signature
from attractor.engine.state.progress import Visit
from attractor.language.graph.branches import FAN_IN, FORKS
from attractor.language.graph.graph import Graph, Node


def same_failure_limit(graph: Graph, node: Node) -> int | None:
    """Return how many times in a row a stage can fail in the same way; None means no limit."""
    own = node.attributes.number("max_same_failures")
    return graph.attributes.number("max_same_failures") if own is None else own


@dataclass(frozen=True)
class RetryPolicy:
    """The maximum number of attempts, and the delay between them.

    A verdict, such as a failing test, is retried only if the node itself sets `max_retries`.
    """

    max_attempts: int
    backoff: Backoff
    max_attempts_after_verdict: int = 1

    def attempts_after(self, outcome: Outcome) -> int:
        """Return the maximum number of attempts of a visit with an outcome (ruling R3)."""
        match outcome.status, outcome.failure_class:
            case (StageStatus.FAIL, FailureClass.VERDICT):
                return self.max_attempts_after_verdict
            case (StageStatus.RETRY, _) | (StageStatus.FAIL, FailureClass.RETRYABLE | None):
                return self.max_attempts
            case _:
                return 1


PRESETS: Mapping[str, RetryPolicy] = {
    "none": RetryPolicy(1, Backoff(initial=timedelta(), jitter=False)),
    "standard": RetryPolicy(5, Backoff(timedelta(milliseconds=200), 2.0)),
    "aggressive": RetryPolicy(5, Backoff(timedelta(milliseconds=500), 2.0)),
    "linear": RetryPolicy(3, Backoff(timedelta(milliseconds=500), 1.0)),
    "patient": RetryPolicy(3, Backoff(timedelta(milliseconds=2000), 3.0)),
}


def retry_policy(node: Node, graph: Graph) -> RetryPolicy:
    """Return the retry policy of a node.

    `max_retries` sets the number of attempts, `retry_policy` the delay.
    """
    name = require_policy(node, graph)
    own = node.attributes.number("max_retries")
    preset = PRESETS[name or "standard"]
    return RetryPolicy(
        max_attempts=1 + max(0, _retries(node, graph, preset if name else PRESETS["none"])),
        backoff=preset.backoff,
        max_attempts_after_verdict=1 + max(0, own or 0),
    )


def require_policy(node: Node, graph: Graph) -> str:
    """Return the name of the retry policy of a node or of its graph.

    An unknown name is an error.
    """
    name = node.attributes.text("retry_policy") or graph.attributes.text("retry_policy")
    if name and name not in PRESETS:
        raise UnknownName("retry policy", name, PRESETS)
    return name


def end_attempt(stage: Stage, outcome: Outcome, streak: Streak) -> Visit | None:
    """Return the visit that an attempt ends, or None if another attempt follows.

    `streak` counts the failures before the attempt. After `max_same_failures` equal failures, the
    stage has failed.
    """
    if stage.attempt < last_attempt(stage, outcome, streak):
        return None
    node = stage.node
    is_stuck = outcome.status is StageStatus.RETRY and _failures_left(stage, outcome, streak) == 0
    settled = replace(outcome, status=StageStatus.FAIL) if is_stuck else settle(node, outcome)
    fork = stage.branches.fork if node.type in FORKS else None
    return Visit(
        node=node.id,
        number=stage.visit,
        attempts=stage.attempt,
        outcome=settled,
        logs=stage.context.logs(),
        is_transparent=node.type == "conditional" and settled.status.is_success,
        meeting=fork.meeting if fork else "",
        streak=streak if stage.attempt > 1 else NO_STREAK,
        has_no_winner=node.type == FAN_IN and node.attributes.text("merge") in ("all", "none"),
    )


def last_attempt(stage: Stage, outcome: Outcome, streak: Streak) -> int:
    """Return the number of the last attempt of a visit if further attempts end like this one."""
    if outcome.status not in (StageStatus.FAIL, StageStatus.RETRY):
        return stage.attempt
    most = retry_policy(stage.node, stage.graph).attempts_after(outcome)
    left = _failures_left(stage, outcome, streak)
    return max(stage.attempt, most if left is None else min(most, stage.attempt + left))


def _failures_left(stage: Stage, outcome: Outcome, streak: Streak) -> int | None:
    """Return how many times more the stage can fail in the same way; None means no limit."""
    limit = same_failure_limit(stage.graph, stage.node)
    if limit is None:
        return None
    return max(0, limit - streak.and_then(signature(outcome.failure_reason)).count)


def settle(node: Node, outcome: Outcome) -> Outcome:
    """Return the final outcome after the last attempt: RETRY becomes FAIL or PARTIAL_SUCCESS.

    A stage with a `receipt` cannot succeed without it.
    """
    if outcome.status is not StageStatus.RETRY:
        return outcome
    if node.attributes.flag("allow_partial") and not receipt_command(node):
        notes = "\n".join(filter(None, [outcome.notes, "retries exhausted, partial accepted"]))
        return replace(outcome, status=StageStatus.PARTIAL_SUCCESS, notes=notes, failure_class=None)
    reason = ": ".join(filter(None, [TRIED_OUT, outcome.failure_reason]))
    return replace(outcome, status=StageStatus.FAIL, failure_reason=reason)


def failure_of(error: Exception) -> Outcome:
    """Return a failure for an exception of a handler.

    If the exception has a boolean attribute `retryable`, this attribute decides about a retry.
    Otherwise errors of the machine or the network are retryable.
    """
    is_retryable = getattr(error, "retryable", None)
    can_help = (
        is_retryable
        if isinstance(is_retryable, bool)
        else isinstance(error, OSError | MachineryError)
    )
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
