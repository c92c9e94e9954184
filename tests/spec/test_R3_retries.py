"""Ruling R3: what is tried again, how often, and from where."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure, success
from attractor.engine.seams import Stage
from attractor.language.values import Plain
from tests.engine.graphs import chain, end, graph, node, start
from tests.engine.runs import FAIL, RETRY, Told, run_graph

VERDICT = failure("red", FailureClass.VERDICT)


@pytest.mark.parametrize(
    ("said", "of_node", "default", "attempts"),
    [
        (RETRY, {}, 2, 3),
        (FAIL, {}, 2, 3),
        (failure("x", FailureClass.TERMINAL), {"max_retries": 2}, 2, 1),
        (failure("x", FailureClass.PIPELINE), {"max_retries": 2}, 2, 1),
        (VERDICT, {}, 2, 1),
        (VERDICT, {"max_retries": 1}, 5, 2),
        (FAIL, {"max_retries": 0}, 2, 1),
    ],
)
def test_R3_what_is_tried_again(
    tmp_path: Path, said: Told, of_node: dict[str, Plain], default: int, attempts: int
) -> None:
    whole = graph(
        [start(), node("a", **of_node), end()],
        chain("start", "a", "exit"),
        default_max_retries=default,
        retry_policy="none",
    )
    _, place = run_graph(tmp_path, whole, {"a": said})
    assert len(place.handler.calls) == attempts
    assert len(place.events("StageFailed")) == attempts
    retried = [one.data["will_retry"] for one in place.events("StageFailed")]
    assert retried == [True] * (attempts - 1) + [False]


def test_R3_a_time_limit_is_for_one_attempt(tmp_path: Path) -> None:
    async def hang(stage: Stage) -> Outcome:
        if stage.attempt == 1:
            await asyncio.Event().wait()
        return success()

    limit = timedelta(milliseconds=50)
    limited = node("a", timeout=limit, max_retries=1, retry_policy="none")
    whole = graph([start(), limited, end()], chain("start", "a", "exit"))
    result, place = run_graph(tmp_path, whole, {"a": hang})
    assert result.outcome is StageStatus.SUCCESS
    assert place.events("StageFailed")[0].data["error"] == "timed out after 50ms"


def test_R3_every_attempt_is_an_event(tmp_path: Path) -> None:
    whole = graph(
        [start(), node("a", max_retries=2, retry_policy="none"), end()],
        chain("start", "a", "exit"),
    )
    _, place = run_graph(tmp_path, whole, {"a": [RETRY, FAIL, success()]})
    kinds = [(one.type, one.attempt) for one in place.events() if one.node == "a"]
    assert kinds[:7] == [
        ("StageStarted", 1),
        ("StageFailed", 1),
        ("StageRetrying", 1),
        ("StageStarted", 2),
        ("StageFailed", 2),
        ("StageRetrying", 2),
        ("StageStarted", 3),
    ]
    assert kinds[7] == ("StageCompleted", 3)
