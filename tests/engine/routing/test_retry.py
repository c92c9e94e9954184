"""The presets of retry policies, and the failure classes of exceptions."""

from datetime import timedelta

import pytest

from attractor.base.errors import FileError, UnknownName, UsageError
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from attractor.engine.routing.retry import PRESETS, failure_of, retry_policy, settle
from tests.engine.graphs import graph, node
from tests.tables import table


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UnknownName, match="unknown retry policy 'standrad'"):
        retry_policy(node("a", retry_policy="standrad"), graph([], []))


@table(
    ("name", "delays"),
    [
        ("standard", [200, 400, 800, 1600, 3200]),
        ("aggressive", [500, 1000, 2000, 4000, 8000]),
        ("linear", [500, 500, 500]),
        ("patient", [2000, 6000, 18000]),
        ("none", [0, 0]),
    ],
)
def test_presets_wait_as_specified(name: str, delays: list[int]) -> None:
    backoff = PRESETS[name].backoff
    for attempt, milliseconds in enumerate(delays, 1):
        delay = backoff.delay(attempt, seed="x") / timedelta(milliseconds=1)
        assert 0.5 * milliseconds <= delay <= 1.5 * milliseconds


def test_accepted_rest_keeps_notes_and_loses_its_failure_class() -> None:
    tried = Outcome(StageStatus.RETRY, notes="later", failure_class=FailureClass.RETRYABLE)
    notes = "later\nretries exhausted, partial accepted"
    expected = Outcome(StageStatus.PARTIAL_SUCCESS, notes=notes)
    assert settle(node("a", allow_partial=True), tried) == expected


class Overloaded(Exception):
    retryable = True


class Unauthorized(ConnectionError):
    retryable = False


@table(
    ("error", "kind"),
    [
        (ConnectionError("reset"), FailureClass.RETRYABLE),
        (TimeoutError("slow"), FailureClass.RETRYABLE),
        (FileError("full"), FailureClass.RETRYABLE),
        (UsageError("wrong"), FailureClass.TERMINAL),
        (ValueError("bug"), FailureClass.TERMINAL),
        (Overloaded("529"), FailureClass.RETRYABLE),
        (Unauthorized("401"), FailureClass.TERMINAL),
    ],
)
def test_exception_has_a_failure_class(error: Exception, kind: FailureClass) -> None:
    assert failure_of(error) == failure(f"{type(error).__name__}: {error}", kind)
