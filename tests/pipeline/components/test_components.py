"""Components of a run: backends of nodes, custom handlers, lazy loading."""

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from attractor.base.errors import UsageError
from attractor.engine.context import Context
from attractor.engine.errors import ConversationLost
from attractor.engine.journal.events import RunForked
from attractor.engine.outcome import Outcome, success
from attractor.engine.questions.question import Answer, Question, QuestionKind
from attractor.engine.seams import ModelAnswer, Stage
from attractor.engine.stage.execution import execute
from attractor.interviewers.recording import Recording
from attractor.language.graph.graph import Graph, Node
from attractor.language.reading import parse
from attractor.pipeline.components.backends import AGENT, SIMULATE, NodeBackends
from attractor.pipeline.components.run_components import choose_interviewer
from attractor.pipeline.preflight.preflight import find_interviewer_faults, find_unknown_backends
from attractor.pipeline.project.custom_parts import (
    HANDED_IN,
    NO_CUSTOM_PARTS,
    CustomParts,
    adapt_handler,
    adapt_handlers,
)
from attractor.pipeline.project.run_scope import RunScope
from attractor.records.request import RunRequest
from tests.engine.graphs import line
from tests.engine.runs import Workplace
from tests.handlers.stages import Person, Play, graph, node
from tests.pipeline.projects import adjusted, open_project
from tests.tables import table

WORKS = "digraph G {{ start [shape=Mdiamond]; exit [shape=Msquare]; {node}; start -> w -> exit }}"
RUN = """
import sys
from attractor.cli.main import main
main(["run", "p.dot", "--sandbox", "none", "--workspace", "none", "--no-evaluate"])
sys.exit("httpx" in sys.modules)
"""


def loads_a_client(folder: Path, node: str) -> bool:
    (folder / "p.dot").write_text(WORKS.format(node=node))
    environ = {**os.environ, "HOME": str(folder), "OPENAI_API_KEY": "key-of-a-test"}
    # No server answers there: the stage fails, which does not matter here.
    environ["OPENAI_BASE_URL"] = "http://127.0.0.1:9/v1"
    command = [sys.executable, "-c", RUN]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "w: started" in done.stderr
    return bool(done.returncode)


def test_stages_that_ask_no_model_load_no_client(tmp_path: Path) -> None:
    assert not loads_a_client(tmp_path, 'w [shape=parallelogram, tool_command="true"]')


SURE = Question("gate@1.1", "Sure?", QuestionKind.YES_NO, (), "gate")
OPTIONS = RunRequest(file=Path("pipeline.dot"), interviewer="queue", answers=["yes", "no"])


def ask(
    tmp_path: Path,
    options: RunRequest,
    *,
    taken: int = 0,
    custom_parts: CustomParts = NO_CUSTOM_PARTS,
) -> Answer:
    place = Workplace(tmp_path / "run", line("gate"))
    opened = adjusted(open_project(tmp_path), parts=custom_parts)
    with place.open() as run:
        if taken:
            run.record(RunForked("other", "a", 1, 9, "hash", "", {}, {"queue": taken}))
        return asyncio.run(choose_interviewer(options, RunScope.of(opened), run).ask(SURE))


def test_question_at_the_terminal_shows_changes_and_the_command_to_answer(tmp_path: Path) -> None:
    async def changed() -> str:
        return "2 files: a, pLx7u3Rv+mN2; in /work"

    place = Workplace(tmp_path / "run", line("gate"))
    opened = open_project(tmp_path)
    environ = {**opened.machine.environ, "DB_PASSWORD": "pLx7u3Rv+mN2"}
    opened = adjusted(opened, environ=environ, input=StringIO("y\n"), output=StringIO())
    request = replace(OPTIONS, interviewer="console", answers=[])
    with place.open() as run:
        answer = asyncio.run(
            choose_interviewer(request, RunScope.of(opened), run, changed).ask(SURE)
        )
    assert answer.value == "yes"
    assert isinstance(opened.console.output, StringIO)
    shown = opened.console.output.getvalue().splitlines()
    assert shown[:2] == ["[?] Sure?", "  (changed so far: 2 files: a, ***; in /work)"]
    assert shown[2] == f"  (in another terminal: attractor answer {tmp_path / 'run'} CHOICE)"


@table(("taken", "value"), [(0, "yes"), (1, "no"), (2, "")])
def test_queue_resumes_at_its_position(tmp_path: Path, taken: int, value: str) -> None:
    answer = ask(tmp_path, OPTIONS, taken=taken)
    assert (answer.value, answer.by) == (value, "queue")


def test_recording_is_in_the_run_directory_by_default(tmp_path: Path) -> None:
    ask(tmp_path, replace(OPTIONS, interviewer="recording:queue"))
    assert '"value":"yes"' in (tmp_path / "run" / "answers.jsonl").read_text()
    file = tmp_path / "mine.jsonl"
    ask(tmp_path, replace(OPTIONS, interviewer=f"recording:queue:{file}"))
    assert '"value":"yes"' in file.read_text()


@table(
    ("name", "message"),
    [
        ("queue", ""),
        ("recording", ""),
        ("recording:auto_approve", ""),
        ("nobody", "unknown interviewer 'nobody'"),
        ("recording:nobody", "unknown interviewer 'nobody'"),
        ("replay", "has no recording"),
        ("replay:/nowhere.jsonl", "/nowhere.jsonl"),
        ("callback", "has no function"),
        (HANDED_IN, "the run used an interviewer object of another program"),
    ],
)
def test_invalid_interviewer_is_found_in_preflight(name: str, message: str) -> None:
    options = replace(OPTIONS, interviewer=name)
    faults = list(find_interviewer_faults(options, NO_CUSTOM_PARTS))
    assert [message in one.message for one in faults] == ([True] if message else [])
    custom_parts = CustomParts(interviewer=Person())
    assert list(find_interviewer_faults(options, custom_parts)) == []


def test_the_part_that_records_is_found_by_its_name(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("gate"))
    with place.open() as run:
        options = replace(OPTIONS, interviewer="recording:queue")
        assert isinstance(
            choose_interviewer(options, RunScope.of(open_project(tmp_path)), run), Recording
        )


GRAPH = parse("digraph x { plain; named [backend=other]; start [shape=Mdiamond]; start -> plain }")


class Working:
    """A backend that reports its name, and keeps conversations if requested."""

    def __init__(self, name: str, *, hears: bool = False, kept: object = None) -> None:
        self.name = name
        self.hears = hears
        self.kept = kept
        self.heard: list[str] = []

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        return f"{self.name} did {prompt}"

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        return ModelAnswer(f"{self.name} answered {prompt}")

    async def steer(self, stage_id: str, text: str) -> bool:
        self.heard.append(text)
        return self.hears

    def rebuild(self, last: str, read: object) -> object:
        if self.kept is None:
            raise ConversationLost(f"{self.name} has none of {last}")
        return self.kept


def nothing(stage: str, file: str) -> bytes:
    return b""


def faults(node: str, of_run: str = AGENT) -> list[tuple[str | None, str]]:
    graph = parse(f"digraph x {{ work [{node}]; start [shape=Mdiamond]; start -> work }}")
    found = find_unknown_backends([graph.nodes["work"]], of_run, {"reviewer"})
    return [(one.node, one.message) for one in found]


def test_a_stage_goes_to_the_backend_of_its_node() -> None:
    both = NodeBackends(AGENT, {AGENT: Working("agent"), "other": Working("other")})

    async def scene() -> list[object]:
        named, plain = (Play(GRAPH, one).stage for one in ("named", "plain"))
        return [
            await both.run(named, "it"),
            await both.run(plain, "it"),
            await both.answer(named, "this"),
        ]

    assert asyncio.run(scene()) == [
        "other did it",
        "agent did it",
        ModelAnswer("other answered this"),
    ]


def test_message_is_passed_to_every_backend() -> None:
    deaf, hearing = Working("deaf"), Working("hearing", hears=True)
    both = NodeBackends("deaf", {"hearing": hearing, "deaf": deaf})
    assert asyncio.run(both.steer("work@1.1", "be quick"))
    assert (deaf.heard, hearing.heard) == (["be quick"], ["be quick"])
    assert not asyncio.run(NodeBackends("deaf", {"deaf": deaf}).steer("work@1.1", "well?"))


def test_conversation_is_rebuilt_by_a_capable_backend() -> None:
    lacking, keeping = Working("lacking"), Working("keeping", kept="what was said")
    both = NodeBackends("lacking", {"lacking": lacking, "keeping": keeping})
    assert both.rebuild("plan@1.1", nothing) == "what was said"
    with pytest.raises(ConversationLost, match="lacking has none of plan@1.1"):
        NodeBackends("lacking", {"lacking": lacking}).rebuild("plan@1.1", nothing)


def test_unknown_backend_is_an_error_of_its_node() -> None:
    [(node, message)] = faults("backend=agnt")
    assert node == "work"
    assert message.startswith("node work: backend=agnt: unknown backend")
    assert faults(f"backend={AGENT}") == []


def test_passed_and_requested_backends_are_known() -> None:
    assert faults("", of_run=HANDED_IN) == []
    assert faults("backend=of_a_program", of_run="of_a_program") == []
    # A simulation uses no other backend, so none can be missing.
    assert faults("backend=agnt", of_run=SIMULATE) == []


def test_unknown_agent_is_refused() -> None:
    assert faults("agent=reviewer") == []
    [(_, message)] = faults("agent=revewer")
    assert message == "node work: agent=revewer: unknown agent 'revewer'"
    assert faults("agent=revewer", of_run=SIMULATE) == []
    [(_, message)] = faults("agent=reviewer", of_run="codex")
    assert message == "node work: agent=reviewer: the backend codex does not use agents"


class Ours:
    async def execute(self, stage: Stage) -> Outcome:
        return success(stage.node.id)


class Theirs:
    def execute(self, node: Node, context: Context, graph: Graph, logs_root: Path) -> Outcome:
        return success(f"{node.id} {context.get('a')} {graph.goal} {logs_root.is_absolute()}")


class Optional:
    async def execute(self, stage: Stage, volume: int = 11) -> Outcome:
        return success(f"{stage.node.id} {volume}")


def notes(handler: Any) -> str:
    play = Play(graph(node("it"), goal="win"), "it")
    play.context.set("a", 1)
    return asyncio.run(execute(adapt_handler("custom", handler), play.stage)).notes


def test_own_component_is_unchanged() -> None:
    ours = Ours()
    assert adapt_handler("custom", ours) is ours
    assert (notes(ours), notes(Optional())) == ("it", "it 11")


def test_four_arguments_are_handed_over_in_their_order() -> None:
    assert notes(Theirs()).startswith("it 1 win ")


def test_each_of_several_is_adapted() -> None:
    ours = Ours()
    adapted = adapt_handlers({"ours": ours, "theirs": Theirs()})
    assert (list(adapted), adapted["ours"]) == (["ours", "theirs"], ours)


@table("wrong", [Ours, object(), 7, "wait"])
def test_invalid_handler_is_refused_with_its_type(wrong: Any) -> None:
    with pytest.raises(UsageError, match="custom"):
        adapt_handler("custom", wrong)
