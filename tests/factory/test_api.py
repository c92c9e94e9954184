"""A program runs pipelines through the public API, with its own handlers, backends and rules."""

import asyncio
import json
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from attractor import (
    Answer,
    AnswerKind,
    AttractorError,
    Context,
    Diagnostic,
    Event,
    EventStream,
    Graph,
    Node,
    Outcome,
    Question,
    RunResult,
    Severity,
    Stage,
    StageStatus,
    UsageError,
    node_types,
    parse,
    prepare,
    resume_pipeline,
    resume_pipeline_sync,
    run_pipeline,
    run_pipeline_sync,
    success,
    validate,
)
from attractor.base.hash_chain import verify_file
from attractor.engine.state.run_state import AWAITING_DECISION
from attractor.language.diagnostics import NotRunnable, ValidationError
from tests.examples import ROOT
from tests.packages import Places
from tests.patience import until
from tests.pipeline.projects import git, make_project

pytestmark = pytest.mark.anyio

Run = Callable[..., RunResult]
PIPELINE = """digraph hello {
    graph [goal="Say hello"]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    greet [prompt="Write: $goal"]
    shout [type="shout", volume="11"]
    make  [shape=parallelogram, tool_command="echo hi > hi.txt"]
    start -> greet -> shout -> make -> exit
}
"""
ASKING = """digraph asking {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    ask   [shape=hexagon, label="Ship it?"]
    mend  [prompt="Mend"]
    start -> ask
    ask -> exit [label="[Y] Yes"]
    ask -> mend [label="[N] No"]
    mend -> exit
}
"""


class Shout:
    """A sync handler with the arguments of the specification."""

    def execute(self, node: Node, context: Context, graph: Graph, logs_root: Path) -> Outcome:
        volume = node.attributes.text("volume")
        context.set("said", f"{context.get_string('last_response')}{volume} {graph.goal}".upper())
        return Outcome(StageStatus.SUCCESS, notes=logs_root.name)


class AsyncShout:
    """An async handler with the arguments of the specification."""

    async def execute(self, node: Node, context: Context, graph: Graph, logs_root: Path) -> Outcome:
        await asyncio.sleep(0)
        return Shout().execute(node, context, graph, logs_root)


class OurShout:
    """An async handler with the argument of this package."""

    async def execute(self, stage: Stage) -> Outcome:
        return Shout().execute(stage.node, stage.context, stage.graph, stage.logs_root)


class PlainShout:
    """A sync handler with the argument of this package."""

    def execute(self, stage: Stage) -> Outcome:
        return Shout().execute(stage.node, stage.context, stage.graph, stage.logs_root)


def model(node: Node, prompt: str, context: Context) -> str:
    return f"<{node.id}: {prompt}>"


class Model:
    """An async backend with the arguments of the specification."""

    async def run(self, node: Node, prompt: str, context: Context) -> str | Outcome:
        return success(f"done: {prompt}", last_response=model(node, prompt, context))


class SyncModel:
    """A sync backend with the arguments of the specification."""

    def run(self, node: Node, prompt: str, context: Context) -> str:
        return model(node, prompt, context)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "ATTRACTOR_STATE_DIR": str(tmp_path / "state"),
        "ATTRACTOR_WORKSPACES_DIR": str(tmp_path / "workspaces"),
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "project", PIPELINE)


@pytest.fixture
def run(project: Path, environ: dict[str, str]) -> Run:
    """Run a pipeline of the project without a sandbox."""
    return partial(run_pipeline_sync, project=project, environ=environ, sandbox="none")


@pytest.mark.parametrize(
    ("shout", "backend"),
    [(Shout(), model), (AsyncShout(), Model()), (OurShout(), SyncModel()), (PlainShout(), model)],
)
def test_custom_handlers_and_backends(run: Run, shout: Any, backend: Any) -> None:
    result = run("pipeline.dot", backend=backend, handlers={"shout": shout})
    assert result.outcome is StageStatus.SUCCESS
    assert result.completed == ("start", "greet", "shout", "make")
    assert result.context["said"] == "<GREET: WRITE: SAY HELLO>11 SAY HELLO"
    assert result.context["last_response"] == "<greet: Write: Say hello>"


def test_run_with_evaluate_false_ends_as_one_that_is_evaluated(run: Run) -> None:
    """Without a suite nothing is left to evaluate, so no run waits for it."""
    for evaluate in (True, False):
        result = run("pipeline.dot", backend=model, handlers={"shout": Shout()}, evaluate=evaluate)
        assert result.status == AWAITING_DECISION


def test_run_of_a_program_is_recorded(run: Run, project: Path) -> None:
    result = run("pipeline.dot", backend=model, handlers={"shout": Shout()})
    root = result.directory
    assert root == project / "runs" / result.run_id
    assert result.status == AWAITING_DECISION
    assert (root / "graph.dot").read_text() == PIPELINE
    assert (root / "greet" / "prompt.md").read_text() == "Write: Say hello"
    assert (root / "greet" / "response.md").read_text() == "<greet: Write: Say hello>"
    assert json.loads((root / "shout" / "status.json").read_text())["notes"] == root.name
    assert json.loads((root / "manifest.json").read_text())["options"]["handed_in"] == [
        "handler shout",
        "backend",
    ]
    assert verify_file(root / "events.jsonl").flaw is None
    assert git(project, "show", f"attractor/run/{result.run_id}:hi.txt") == "hi\n"


def test_a_graph_is_run_and_its_text_is_kept(run: Run) -> None:
    graph = parse(PIPELINE.replace("Say hello", "Say goodbye"))
    result = run(graph, backend=model, handlers={"shout": Shout()})
    assert parse((result.directory / "graph.dot").read_text()) == graph
    assert result.context["graph.goal"] == "Say goodbye"


class Polite:
    """A transform that prepends a word to each prompt."""

    def apply(self, graph: Graph) -> Graph:
        return parse(PIPELINE.replace("Write: $goal", f"Politely write: {graph.goal}"))


class NoGreeting:
    """A rule that forbids greetings."""

    name = "no_greeting"

    def apply(self, graph: Graph) -> list[Diagnostic]:
        found = [node for node in graph.nodes.values() if node.id == "greet"]
        words = "nobody is greeted here"
        return [Diagnostic(Severity.ERROR, words, node.span, node=node.id) for node in found]


def test_transforms_and_rules_of_a_program_count(project: Path, environ: Mapping[str, str]) -> None:
    given = {"project": project, "environ": environ, "sandbox": "none", "backend": model}
    parts: dict[str, Any] = {"handlers": {"shout": Shout()}, "transforms": [Polite()]}
    result = run_pipeline_sync("pipeline.dot", **cast(Any, given), **parts)
    assert (result.directory / "greet" / "prompt.md").read_text() == "Politely write: Say hello"
    with pytest.raises(ValidationError, match="nobody is greeted here"):
        run_pipeline_sync("pipeline.dot", **cast(Any, given), **parts, rules=[NoGreeting()])


def test_function_or_object_answers(run: Run) -> None:
    asked: list[str] = []

    def answer(question: Question) -> Answer:
        asked.append(question.text)
        return Answer(AnswerKind.GIVEN, "N", by="a test")

    class Person:
        def ask(self, question: Question) -> Answer:
            return answer(question)

    class AsyncPerson:
        async def ask(self, question: Question) -> Answer:
            return answer(question)

    for interviewer in (answer, Person(), AsyncPerson()):
        result = run(parse(ASKING), backend="simulate", interviewer=cast(Any, interviewer))
        assert result.completed == ("start", "ask", "mend")
    assert asked == ["Ship it?"] * 3


def test_program_resumes_with_secrets(run: Run, project: Path, environ: Mapping[str, str]) -> None:
    file = project / "secret.dot"
    text = """digraph secret { inputs="token:secret"; start [shape=Mdiamond]; exit [shape=Msquare]
        ask  [shape=hexagon, label="Go on?"]
        push [shape=parallelogram, secrets="token", tool_command="echo $ATTRACTOR_INPUT_TOKEN"]
        start -> ask; ask -> push [label="[Y] Yes"]; ask -> exit [label="[N] No"]; push -> exit }"""
    file.write_text(text)
    given = {"token": "hush-hush-hush"}
    parked = run(file, inputs=given, backend="simulate", workspace="none")
    file.write_text(text.replace("Go on?", "Go on now?"))
    with pytest.raises(UsageError, match="the input token contains a secret and was not stored"):
        resume_pipeline_sync(parked.directory, accept_graph=True, project=project, environ=environ)
    result = resume_pipeline_sync(
        parked.directory,
        inputs=given,
        accept_graph=True,
        interviewer=lambda question: "Y",
        project=project,
        environ=environ,
    )
    assert (result.directory / "push" / "stdout.txt").read_text() == "***\n"
    assert "Go on now?" in (result.directory / "graph.dot").read_text()


def test_resume_requires_the_passed_parts(project: Path, environ: Mapping[str, str]) -> None:
    given: dict[str, Any] = {"project": project, "environ": environ}
    text = ASKING.replace("mend  [", "mend  [type=shout, ")
    parts: dict[str, Any] = {"handlers": {"shout": Shout()}, "transforms": [Same()]}
    parked = run_pipeline_sync(parse(text), **given, sandbox="none", backend=model, **parts)
    before = (parked.directory / "events.jsonl").read_bytes()
    with pytest.raises(NotRunnable) as caught:
        resume_pipeline_sync(parked.directory, **given)
    for name in ("handler shout", "backend", "transform Same"):
        assert f"missing {name}: the program" in str(caught.value)
    assert (parked.directory / "events.jsonl").read_bytes() == before
    said = Answer(AnswerKind.GIVEN, "N", by="a test")

    def answer(question: Question) -> Answer:
        return said

    parts |= {"backend": model, "interviewer": answer}
    ended = resume_pipeline_sync(parked.directory, **given, **parts)
    assert ended.completed == ("start", "ask", "mend")
    assert ended.context["said"] == " "


class Same:
    """A transform that changes nothing."""

    def apply(self, graph: Graph) -> Graph:
        return graph


def test_a_stream_of_a_run_that_cannot_begin_ends(tmp_path: Path) -> None:
    async def follow() -> None:
        events = EventStream()
        running = asyncio.create_task(run_pipeline("none.dot", project=tmp_path, observer=events))
        assert [event async for event in events] == []
        await running

    with pytest.raises(UsageError, match=r"none\.dot"):
        asyncio.run(follow())


def test_failing_observer_is_reported(run: Run) -> None:
    heard: list[Event] = []

    def observe(event: Event) -> None:
        heard.append(event)
        raise ZeroDivisionError("in the observer")

    with pytest.warns(RuntimeWarning, match=r"ZeroDivisionError.*no longer called"):
        result = run(
            parse(ASKING), backend="simulate", interviewer="auto_approve", observer=observe
        )
    assert result.outcome is StageStatus.SUCCESS
    assert len(heard) == 1


async def test_cancelled_run_is_resumable(project: Path, environ: Mapping[str, str]) -> None:
    slow = PIPELINE.replace(
        "echo hi > hi.txt", "test -e $HOME/once || { touch $HOME/once; sleep 1000; }; echo > hi.txt"
    )
    given: dict[str, Any] = {"project": project, "environ": environ, "backend": model}
    given |= {"handlers": {"shout": Shout()}}
    events = EventStream()
    work = run_pipeline(parse(slow), **given, sandbox="none", observer=events)
    running = asyncio.create_task(work)
    async for event in events:
        if event.type == "StageStarted" and event.node == "make":
            await until(lambda: (Path(environ["HOME"]) / "once").exists())
            running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    result = await resume_pipeline("latest", **given)
    assert result.completed == ("start", "greet", "shout", "make")


def test_children_use_custom_parts(run: Run, project: Path) -> None:
    ends = "start [shape=Mdiamond] exit [shape=Msquare]"
    stages = "greet [prompt=Hi] it [type=shout] start -> greet -> it -> exit"
    child = f"digraph child {{ {ends} {stages} }}"
    (project / "child.dot").write_text(child)
    parent = f'digraph parent {{ {ends} it [type=pipeline, file="child.dot"] start -> it -> exit }}'
    heard: list[str] = []

    def hear(node: Node, prompt: str, context: Context) -> str:
        heard.append(f"{node.id}: {prompt}")
        return prompt

    shout = Counting()
    result = run(parse(parent), backend=hear, handlers={"shout": shout})
    assert result.outcome is StageStatus.SUCCESS, result.reason
    assert (heard, shout.calls) == (["greet: Hi"], ["it"])


class Counting:
    """A handler that records its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def execute(self, stage: Stage) -> Outcome:
        self.calls.append(stage.node.id)
        return success()


def test_entry_point_handler(run: Run, places: Places) -> None:
    package = places.package(
        shout='''"""Shouts."""
from attractor import Outcome, StageStatus
class Shout:
    """Shouts."""
    def __init__(self, parts): pass
    def execute(self, node, context, graph, logs_root):
        return Outcome(StageStatus.SUCCESS, context_updates={"said": node.id.upper()})
part = Shout
'''
    )
    entry = f"[attractor.handlers]\nshout = {package}.shout\n"
    places.distribution("shouting", entry)
    result = run("pipeline.dot", backend="simulate")
    assert result.context["said"] == "SHOUT"


def nothing(one: object, two: object) -> str:
    return ""


class Wrong:
    """Neither a handler nor a backend."""

    def execute(self, one: object, two: object) -> None: ...

    def run(self) -> None: ...


@pytest.mark.parametrize(
    ("wishes", "words", "hint"),
    [
        ({"intervewer": "park"}, "unknown option intervewer", "did you mean interviewer?"),
        ({"handlers": {"shout": Shout}}, "the handler of shout is a class", "Shout()"),
        ({"handlers": {"shout": object()}}, "has no method execute", "execute(node, context"),
        ({"handlers": {"shout": Wrong()}}, "shout takes 2 arguments", "execute(node, context"),
        ({"backend": Model}, "the backend is a class", "Model()"),
        ({"backend": object()}, "the backend has no method run", "run(node, prompt, context)"),
        ({"backend": nothing}, "run() takes 2", "run(node, prompt, context)"),
        ({"backend": Wrong()}, "run() takes 0", "run(node, prompt, context)"),
        ({"interviewer": Wrong}, "the interviewer is a class", "Wrong()"),
        ({"interviewer": object()}, "the interviewer has no method ask", "ask(question)"),
        ({"workspace": "insolated"}, "unknown workspace 'insolated'", "did you mean isolated?"),
        ({"max_duration": "soon"}, "soon", ""),
        ({"backend": "simulat"}, "unknown backend 'simulat'", ""),
        ({"transforms": [Same]}, "the transform Same is a class", "Same()"),
    ],
)
def test_invalid_wish_is_an_error_and_creates_nothing(
    project: Path, environ: Mapping[str, str], wishes: dict[str, Any], words: str, hint: str
) -> None:
    wishes = {"sandbox": "none", **wishes}
    with pytest.raises(AttractorError) as caught:
        run_pipeline_sync("pipeline.dot", project=project, environ=environ, **wishes)
    assert words in str(caught.value)
    assert hint in caught.value.hint
    assert not (project / "runs").exists()


def test_invalid_backend_result_fails(run: Run) -> None:
    def answer(node: Node, prompt: str, context: Context) -> int:
        return 42

    result = run("pipeline.dot", backend=answer, handlers={"shout": Shout()})
    assert result.outcome is StageStatus.FAIL
    assert "returned int, not a text or an Outcome" in result.reason


async def test_within_an_event_loop_the_waiting_twins_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        run_pipeline_sync("pipeline.dot")
    assert caught.value.hint == "write await run_pipeline(...)"
    with pytest.raises(UsageError, match="resume_pipeline_sync would block"):
        resume_pipeline_sync("latest")


CHECKED = """digraph checked {
    inputs="who"
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    greet [prompt="@hello.md", type="greeter", color=pink2]
    start -> greet -> exit
}
"""


def test_validate_and_prepare_take_a_file_a_graph_or_a_text(tmp_path: Path) -> None:
    (tmp_path / "hello.md").write_text("Greet ${inputs.who}")
    file = tmp_path / "checked.dot"
    file.write_text(CHECKED)
    graph = parse(CHECKED)
    options: Any = {"project": tmp_path, "environ": {"PATH": os.environ["PATH"]}}
    for pipeline in (file, "checked.dot", CHECKED, graph):
        [problem] = [one for one in validate(pipeline, **options) if one.rule == "type_known"]
        assert (problem.node, problem.span.line) == ("greet", 5)
        prepared = prepare(pipeline, goal="g", inputs={"who": "Ann"}, **options)
        assert prepared.graph is not None
        assert (prepared.graph.nodes["greet"].prompt, prepared.graph.goal) == ("Greet Ann", "g")
        known = validate(pipeline, handlers={"greeter": Shout()}, **options)
        assert "type_known" not in [one.rule for one in known]
    assert not prepare("digraph {", **options).is_sound
    with pytest.raises(UsageError, match="unknown option gaol"):
        prepare(CHECKED, **options | {"gaol": "g"})
    with pytest.raises(UsageError, match="who"):
        prepare(CHECKED, inputs={}, **options)


def test_node_types_are_those_of_the_handlers_page() -> None:
    page = (ROOT / "docs" / "reference" / "handlers.md").read_text("utf-8")
    listed = re.findall(r"^\| \[`([^`]+)`\]\([^)]*\) \| (?:`([^`]+)`|none) \|", page, re.M)
    assert sorted((one.name, one.shape) for one in node_types()) == sorted(listed)
    assert all(one.description for one in node_types())
