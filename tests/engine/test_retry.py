from datetime import timedelta

import pytest

from attractor.base.errors import FileTrouble, UnknownName, UsageError
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure
from attractor.engine.retry import PRESETS, failure_of, may_retry, retry_policy, settle
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import graph, node

RETRY = Outcome(StageStatus.RETRY, failure_reason="busy")


def attempts(node_attributes: dict[str, Plain], graph_attributes: dict[str, Plain]) -> int:
    here = node("a", **node_attributes)
    return retry_policy(here, graph([here], [], **graph_attributes)).max_attempts


@pytest.mark.parametrize(
    ("of_node", "of_graph", "most"),
    [
        ({}, {}, 1),
        ({"max_retries": 3}, {}, 4),
        ({}, {"default_max_retries": 2}, 3),
        ({}, {"default_max_retry": 2}, 3),
        ({"max_retries": 0}, {"default_max_retries": 2}, 1),
        ({"max_retries": -1}, {}, 1),
        ({"max_retries": "2"}, {}, 3),
        ({"retry_policy": "standard"}, {}, 5),
        ({"retry_policy": "patient"}, {"default_max_retries": 1}, 2),
        ({"retry_policy": "aggressive", "max_retries": 1}, {}, 2),
        ({"retry_policy": "none"}, {"default_max_retries": 2}, 1),
        ({}, {"retry_policy": "linear"}, 3),
    ],
)
def test_how_often_a_stage_is_tried(
    of_node: dict[str, Plain], of_graph: dict[str, Plain], most: int
) -> None:
    assert attempts(of_node, of_graph) == most


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UnknownName, match="standrad"):
        attempts({"retry_policy": "standrad"}, {})


@pytest.mark.parametrize(
    ("name", "delays"),
    [
        ("standard", [200, 400, 800, 1600, 3200]),
        ("aggressive", [500, 1000, 2000, 4000, 8000]),
        ("linear", [500, 500, 500]),
        ("patient", [2000, 6000, 18000]),
        ("none", [0, 0]),
    ],
)
def test_presets_wait_as_the_specification_says(name: str, delays: list[int]) -> None:
    backoff = PRESETS[name].backoff
    for attempt, milliseconds in enumerate(delays, 1):
        delay = backoff.delay(attempt, seed="x") / timedelta(milliseconds=1)
        assert 0.5 * milliseconds <= delay <= 1.5 * milliseconds


@pytest.mark.parametrize(
    ("outcome", "attempt", "again"),
    [
        (RETRY, 2, True),
        (RETRY, 3, False),
        (Outcome(StageStatus.FAIL), 2, True),
        (failure("x"), 3, False),
        (failure("x", FailureClass.TERMINAL), 1, False),
        (failure("x", FailureClass.PIPELINE), 1, False),
        (failure("x", FailureClass.VERDICT), 1, False),
        (Outcome(StageStatus.SUCCESS), 1, False),
        (Outcome(StageStatus.SKIPPED), 1, False),
    ],
)
def test_what_is_tried_again(outcome: Outcome, attempt: int, again: bool) -> None:
    here = node("a")
    policy = retry_policy(here, graph([here], [], default_max_retries=2))
    assert may_retry(policy, outcome, attempt) is again


def test_a_verdict_is_tried_again_only_for_the_nodes_own_count() -> None:
    here = node("a", max_retries=1)
    policy = retry_policy(here, graph([here], [], default_max_retries=5))
    verdict = failure("red", FailureClass.VERDICT)
    assert may_retry(policy, verdict, 1)
    assert not may_retry(policy, verdict, 2)


def test_a_last_wish_to_try_again_is_a_failure() -> None:
    settled = settle(node("a"), RETRY)
    assert (settled.status, settled.failure_reason) == (
        StageStatus.FAIL,
        "max retries exceeded: busy",
    )
    partial = settle(node("a", allow_partial=True), RETRY)
    assert partial.status is StageStatus.PARTIAL_SUCCESS
    assert "partial accepted" in partial.notes
    assert settle(node("a"), failure("x")) == failure("x")


class Overloaded(Exception):
    retryable = True


class Unauthorized(ConnectionError):
    retryable = False


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionError("reset"), FailureClass.RETRYABLE),
        (TimeoutError("slow"), FailureClass.RETRYABLE),
        (FileTrouble("full"), FailureClass.RETRYABLE),
        (UsageError("wrong"), FailureClass.TERMINAL),
        (ValueError("bug"), FailureClass.TERMINAL),
        (Overloaded("529"), FailureClass.RETRYABLE),
        (Unauthorized("401"), FailureClass.TERMINAL),
    ],
)
def test_an_exception_is_a_failure_of_its_class(error: Exception, kind: FailureClass) -> None:
    assert failure_of(error) == failure(f"{type(error).__name__}: {error}", kind)
