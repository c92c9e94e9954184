import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.json import Json
from attractor.engine.context import Context
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage
from attractor.engine.seams import Child, ChildEnd, Parts
from attractor.handlers.pipeline import Pipeline
from attractor.language.source.syntax_tree import Plain
from tests.engine.children import DONE, GivenChildren, Plot
from tests.engine.graphs import line
from tests.handlers.stages import Play, graph, node
from tests.patience import PATIENCE_S
from tests.tables import table

COST = Usage(10, 2, 0.5)
FAILED = ChildEnd(StageStatus.FAIL, "the tests are red", usage=COST)


def play(plot: Plot, context: Mapping[str, Json] | None = None, /, **plain: Plain) -> Play:
    it = node("it", **{"type": "pipeline", "file": "inner.dot", **plain})
    children = GivenChildren({"inner.dot": plot.opened()})
    return Play(graph(it), "it", context=Context(context or {}), children=children)


def plot(end: ChildEnd = DONE, **declared: str) -> Plot:
    return Plot(end, graph=line(**declared))


def started(it: Play) -> list[Child]:
    assert isinstance(it.children, GivenChildren)
    return it.children.started


def test_stage_ends_with_the_status_of_its_child() -> None:
    it = play(plot(ChildEnd(StageStatus.PARTIAL_SUCCESS, "completed", usage=COST)))
    outcome = it.run()
    assert outcome == Outcome(
        StageStatus.PARTIAL_SUCCESS,
        context_updates={"it.run_id": "01JZ00000000000000000CH11D"},
        notes="run 01JZ00000000000000000CH11D: completed",
        usage=COST,
    )
    assert started(it) == [Child("it@1.1", "inner.dot")]
    run = {"run_id": "01JZ00000000000000000CH11D"}
    directory = str(Path("/nowhere/children/it"))
    assert it.events.all == [
        ("ChildRunStarted", {**run, "directory": directory, "file": "inner.dot"}),
        ("ChildRunEnded", {**run, "outcome": "partial_success", "reason": "completed"}),
    ]


def test_a_child_that_failed_is_a_verdict_with_its_reason_and_its_cost() -> None:
    outcome = play(plot(FAILED, outputs="summary")).run()
    assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, FailureClass.VERDICT)
    assert outcome.failure_reason == "the pipeline failed: the tests are red"
    assert outcome.usage == COST


def test_each_attempt_has_a_child_of_its_own() -> None:
    it = play(plot())
    for visit, attempt in ((1, 1), (1, 2), (2, 1)):
        it = replace(it, visit=visit, attempt=attempt)
        asyncio.run(it.execute())
        it.events.is_over = it.files.is_over = False
    assert [one.name for one in started(it)] == ["it@1.1", "it@1.2", "it@2.1"]


def test_inputs_come_from_text_context_and_run_inputs() -> None:
    it = play(
        plot(inputs="branch,title,count,files,ticket"),
        {"title": "größe 🐍", "size": {"n": 3}, "list": ["a", 1]},
        inputs='branch=main, title, count=context.size, files="context.list", ticket=inputs.id',
    )
    it.inputs = {"id": "A-1"}
    assert it.run().status is StageStatus.SUCCESS
    assert started(it)[0].inputs == {
        "branch": "main",
        "title": "größe 🐍",
        "count": '{"n":3}',
        "files": '["a",1]',
        "ticket": "A-1",
    }


@table(
    ("inputs", "message", "kind"),
    [
        ("title", "the context has no title for the input title", FailureClass.TERMINAL),
        ("a=context.x.y", "the context has no x.y for the input a", FailureClass.TERMINAL),
        ("a=inputs.x", "this run has no input x for the input a", FailureClass.TERMINAL),
        ("other=1", "unknown input 'other'", FailureClass.TERMINAL),
        ("a=1, a=2", "duplicate input a", FailureClass.PIPELINE),
        ("a-b=1", "invalid input name", FailureClass.PIPELINE),
    ],
)
def test_missing_child_input_is_failure(inputs: str, message: str, kind: FailureClass) -> None:
    outcome = play(plot(inputs="a,title"), inputs=inputs).run()
    assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, kind)
    assert message in outcome.failure_reason


CONTEXT: dict[str, Json] = {
    "summary": "größe 🐍",
    "count": "3",
    "ratio": 0.5,
    "good": "true",
    "files": ["a", "b"],
    "tool.output": "made\n",
    "nothing": None,
}


@table(
    ("declared", "given"),
    [
        ("summary", {"summary": "größe 🐍"}),
        ("count", {"count": "3"}),
        ("count:int, ratio:float, good:bool", {"count": 3, "ratio": 0.5, "good": True}),
        ("ratio:str", {"ratio": 0.5}),
        ("count:float", {"count": 3.0}),
        ("files", {"files": ["a", "b"]}),
        ("log=context.tool.output", {"log": "made\n"}),
        ("left:int=7, word=none, count=0", {"left": 7, "word": "none", "count": "3"}),
        ("nothing=x", {"nothing": "x"}),
        ("", {}),
    ],
)
def test_declared_outputs_are_returned(declared: str, given: dict[str, Json]) -> None:
    end = ChildEnd(StageStatus.SUCCESS, "completed", CONTEXT)
    outcome = play(plot(end, outputs=declared)).run()
    assert outcome.status is StageStatus.SUCCESS
    found = {key: value for key, value in outcome.context_updates.items() if key != "it.run_id"}
    assert found == {f"it.{name}": value for name, value in given.items()}


@table(
    ("declared", "message"),
    [
        ("other", "the context of the child has no other"),
        ("nothing", "the context of the child has no nothing"),
        ("log=context.no.such", "the context of the child has no no.such"),
        ("summary:int", "invalid value größe 🐍 of the output summary of type int"),
        ("files:bool", 'invalid value ["a","b"] of the output files of type bool'),
        ("summary, summary", "outputs of Test: duplicate input summary"),
    ],
)
def test_missing_or_mistyped_output_is_a_failure(declared: str, message: str) -> None:
    end = ChildEnd(StageStatus.SUCCESS, "completed", CONTEXT, COST)
    outcome = play(plot(end, outputs=declared)).run()
    assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, FailureClass.VERDICT)
    assert message in outcome.failure_reason
    assert outcome.usage == COST


def test_child_receives_is_shared() -> None:
    it = play(plot())
    handler = Pipeline(Parts(it.backend, it.interviewer))
    asyncio.run(handler.execute(replace(it.stage, is_shared=True)))
    assert [one.is_shared for one in started(it)] == [True]


@table(
    ("plain", "message"),
    [
        ({"file": ""}, "it has no `file`"),
        ({"file": "no.dot"}, "no.dot: cannot read no.dot: No such file or directory"),
    ],
)
def test_unreadable_child_is_a_pipeline_fault(plain: dict[str, Plain], message: str) -> None:
    outcome = play(plot(), **plain).run()
    assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, FailureClass.PIPELINE)
    assert outcome.failure_reason == message


def test_missing_child_runs_is_a_failure() -> None:
    it = play(plot())
    it.children = None
    outcome = it.run()
    assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, FailureClass.PIPELINE)
    assert "cannot start child pipelines" in outcome.failure_reason


def test_canceled_stage_halts_its_child() -> None:
    async def scene() -> None:
        it = play(plot())
        children = GivenChildren({"inner.dot": Plot()})
        it.children = children
        working = asyncio.create_task(it.execute())
        while it.events.kinds != ["ChildRunStarted"]:
            await asyncio.sleep(0)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert children.halted == ["it@1.1"]

    asyncio.run(asyncio.wait_for(scene(), PATIENCE_S))
