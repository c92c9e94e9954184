"""Simulated walks with given outcomes."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.base.json import Json
from attractor.engine.errors import InvalidReport
from attractor.engine.outcome import FailureClass, Outcome, StageStatus
from attractor.engine.simulation.outcomes import (
    NO_OUTCOMES,
    SimulatedOutcomes,
    open_outcomes,
    read_outcomes,
)
from attractor.engine.simulation.walk import SimulatedWalk, walk
from attractor.language.graph.graph import Graph
from tests.engine.forked import forked
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import FAIL, RETRY, Script, Scripted, handlers_of
from tests.tables import table


def walked(
    of: Graph, script: Script | None = None, *, max_steps: int = 50, **context: str
) -> SimulatedWalk:
    handlers = handlers_of(Scripted(script or {}))
    return asyncio.run(walk(of, handlers, context=context, max_steps=max_steps))


def ended(one: SimulatedWalk) -> tuple[str, str]:
    assert one.end
    return one.end.status.value, one.end.reason


def test_a_walk_ends_at_the_exit() -> None:
    one = walked(line("plan", "work"))
    assert one.path == ("start", "plan", "work", "exit")
    assert ended(one) == ("success", "completed")
    assert (one.never_visited, one.never_taken) == ((), ())


@table(
    ("attributes", "said", "attempts", "outcome"),
    [
        ({}, FAIL, 1, "fail"),
        ({"max_retries": 2}, FAIL, 3, "fail"),
        ({"max_retries": 2}, RETRY, 3, "fail"),
        ({"max_retries": 2, "allow_partial": True}, RETRY, 3, "partial_success"),
        ({"max_retries": 10**17}, FAIL, 10**17 + 1, "fail"),
        ({"retry_policy": "standard"}, FAIL, 5, "fail"),
        ({"max_retries": 2}, Outcome(StageStatus.SUCCESS), 1, "success"),
    ],
)
def test_attempts_are_counted_as_a_run_makes_them(
    attributes: Mapping[str, str | int | bool], said: Outcome, attempts: int, outcome: str
) -> None:
    of = graph([start(), end(), node("work", **attributes)], chain("start", "work", "exit"))
    step = walked(of, {"work": said}).steps[1]
    assert (step.visit.attempts, step.visit.outcome.status.value) == (attempts, outcome)


def test_equal_edges_are_distinguished() -> None:
    of = graph([start(), end()], [edge("start", "exit"), edge("start", "exit")])
    one = walked(of)
    assert (len(one.edges), len(one.never_taken)) == (1, 1)
    assert one.never_taken[0] is of.edges[1]


def test_fork_follows_all_edges_but_failed_branch_none() -> None:
    one = walked(forked("a a2", "b"), {"a": FAIL})
    fork = one.steps[1]
    assert [edge.target for edge in fork.edges] == ["a", "b"]
    assert [edge.source for edge in one.never_taken] == ["a", "a2"]
    assert (fork.status, ended(one)) == (StageStatus.PARTIAL_SUCCESS, ("success", "completed"))


NODES = ("plan", "test")


@table("word", ["success", "partial_success", "retry", "fail"])
def test_a_word_is_an_outcome(word: str) -> None:
    outcome = read_outcomes({"test": word}, nodes=NODES).at("test", 1)
    assert outcome is not None
    assert outcome.status is StageStatus(word)
    assert outcome.failure_reason == {
        "retry": "simulated retry of test",
        "fail": "simulated fail of test",
    }.get(word, "")


def test_table_is_read_like_the_report_of_an_agent() -> None:
    written: Json = {
        "outcome": "fail",
        "preferred_label": "Fix",
        "suggested_next_ids": ["fix", "plan"],
        "context_updates": {"color": "red", "count": 3},
        "notes": "two tests",
        "failure_reason": "a test is red",
        "failure_class": "verdict",
    }
    assert read_outcomes({"test": written}, nodes=NODES).at("test", 1) == Outcome(
        StageStatus.FAIL,
        preferred_label="Fix",
        suggested_next_ids=("fix", "plan"),
        context_updates={"color": "red", "count": 3},
        notes="two tests",
        failure_reason="a test is red",
        failure_class=FailureClass.VERDICT,
    )


def test_a_list_is_an_outcome_a_visit_and_the_last_one_repeats() -> None:
    outcomes = read_outcomes({"test": ["fail", {"outcome": "retry"}, "success"]}, nodes=NODES)
    visits = [outcomes.at("test", visit) for visit in range(1, 6)]
    words = [one.status.value for one in visits if one]
    assert words == ["fail", "retry", "success", "success", "success"]


def test_unnamed_node_has_no_outcomes() -> None:
    assert read_outcomes({"test": "fail"}, nodes=NODES).at("plan", 1) is None
    assert NO_OUTCOMES == read_outcomes({}, nodes=NODES) == SimulatedOutcomes()


@table("written", ["failed", 3, None, {"notes": "x"}, {"outcome": "x"}])
def test_forbidden_report_is_refused_with_node(written: Json) -> None:
    with pytest.raises(InvalidReport, match="^outcome of visit 2 of node 'test': ") as caught:
        read_outcomes({"test": ["fail", written]}, nodes=NODES)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"test": []}, "node 'test' has an empty list of outcomes"),
        (["fail"], "outcomes must be a table of nodes"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(written: Json, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_outcomes(written, nodes=NODES)
    assert str(caught.value) == message
    assert caught.value.hint


@table(
    ("written", "message", "hint"),
    [
        ({"tset": "fail"}, "o.toml: unknown node 'tset'", "did you mean test?"),
        ({"test": "fial"}, "o.toml: outcome of node 'test': 'outcome' cannot be 'fial'", "fail"),
        (
            {"test": {"outcom": "fail"}},
            "o.toml: outcome of node 'test': the report has an unknown field 'outcom'",
            "did you mean outcome?",
        ),
        ([], "o.toml: outcomes must be a table of nodes", "for example"),
    ],
)
def test_a_mistake_in_a_file_names_the_file(written: Json, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_outcomes(written, nodes=NODES, file="o.toml")
    assert str(caught.value) == message
    assert hint in caught.value.hint


WANTED = {"plan": "success", "test": ["fail", {"outcome": "success", "notes": "green"}]}
JSON = '{"plan": "success", "test": ["fail", {"outcome": "success", "notes": "green"}]}'
TOML = 'plan = "success"\ntest = ["fail", { outcome = "success", notes = "green" }]\n'


@table(
    ("name", "text"),
    [("o.json", JSON), ("o.toml", TOML), ("o", f" {JSON}"), ("o", TOML), ("o.toml", "﻿" + TOML)],
)
def test_json_and_toml_outcomes_are_equal(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert open_outcomes(tmp_path / name) == WANTED


def test_a_table_of_toml_is_an_outcome(tmp_path: Path) -> None:
    file = tmp_path / "o.toml"
    file.write_text('[test]\noutcome = "fail"\ncontext_updates = { color = "red" }\n')
    assert open_outcomes(file) == {"test": {"outcome": "fail", "context_updates": {"color": "red"}}}


@table(
    ("name", "content", "words"),
    [
        ("o.json", b"{", "o.json is invalid JSON"),
        (
            "o.json",
            b'{"a": {"context_updates": {"x": %b1%b}}}' % (b"[" * 90, b"]" * 90),
            "o.json is nested too deeply",
        ),
        ("o.json", b'{"a": %b}' % (b"9" * 5000), "o.json contains a number with too many digits"),
        ("o.json", rb'{"a": "\ud800"}', "o.json holds a lone surrogate"),
        ("o.json", b"[]", "o.json: outcomes must be a table of nodes"),
        ("o.toml", b"test = ", "o.toml:1:7: invalid TOML: Invalid value"),
        ("o.toml", b"test = 2026-01-01", "a value of type date at test"),
        ("o.toml", b"test = 'fial'", "o.toml: outcome of node 'test': 'outcome' cannot be 'fial'"),
        ("o.toml", b"test = '\xff'", "o.toml is not UTF-8"),
        ("missing.json", None, "missing.json: No such file"),
    ],
)
def test_a_mistake_names_the_file_and_the_place(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        open_outcomes(tmp_path / name)
    assert words in str(caught.value)
    assert caught.value.hint
