"""Runs graphs in a temporary folder, with scripted handlers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from attractor.base.clock import Clock, SystemClock
from attractor.base.events import Event
from attractor.base.journal import read_lines
from attractor.base.json import Json, parse_json
from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.questions.question import Answer, Question, ask_each
from attractor.engine.run_folder.layout import Manifest, create_run_directory
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.engine.run_folder.result import RunResult
from attractor.engine.runner import Runner
from attractor.engine.seams import Handler, ModelAnswer, Parts, Stage, Workspace
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.engine.storage.secrets import Redactor
from attractor.handlers.parallel import Parallel
from attractor.handlers.parallel__fan_in import FanIn
from attractor.language.graph.graph import Graph

Work = Callable[[Stage], Awaitable[Outcome]]
Ending = Outcome | StageStatus
Script = Mapping[str, Ending | list[Outcome] | Work]

FAIL = Outcome(StageStatus.FAIL, failure_reason="broken")
RETRY = Outcome(StageStatus.RETRY, failure_reason="busy")
RUN_ID = "01JZ0000000000000000000000"


@dataclass
class Scripted:
    """A handler that returns the scripted outcome of a node; a list contains one outcome a call."""

    script: Script = field(default_factory=dict[str, Outcome])
    calls: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])

    async def execute(self, stage: Stage) -> Outcome:
        self.calls.append((stage.node.id, stage.visit, stage.attempt))
        said = self.script.get(stage.node.id) or success()
        match said:
            case Outcome():
                return said
            case StageStatus():
                return Outcome(said)
            case list():
                return said[min(self.nodes.count(stage.node.id), len(said)) - 1]
            case _:
                return await said(stage)

    @property
    def nodes(self) -> list[str]:
        return [id_ for id_, *_ in self.calls]


class Nothing:
    """A handler that succeeds."""

    async def execute(self, stage: Stage) -> Outcome:
        return success()


class Silent:
    """A backend and an interviewer that must not be called."""

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        raise AssertionError(prompt)

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        raise AssertionError(prompt)

    async def steer(self, stage_id: str, text: str) -> bool:
        return False

    async def ask(self, question: Question) -> Answer:
        raise AssertionError(question)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None: ...


def handlers_of(handler: Handler) -> dict[str, Handler]:
    """Return real handlers for forks and fan-ins, `handler` for stages, and no-ops for the rest."""
    quiet = {type_: Nothing() for type_ in ("start", "exit", "conditional")}
    parts = Parts(Silent(), Silent())
    branching = {"parallel": Parallel(parts), "parallel.fan_in": FanIn(parts)}
    return {**quiet, **branching, **dict.fromkeys(("codergen", "tool", "wait.human"), handler)}


class Workplace:
    """A run directory in which a graph can be run repeatedly."""

    def __init__(self, root: Path, graph: Graph, script: Script | None = None) -> None:
        self.root = root
        self.graph = graph
        self.handler = Scripted(script or {})
        self.handlers: dict[str, Handler] = handlers_of(self.handler)
        self.workspace: Workspace = NoWorkspace()
        self.clock: Clock = SystemClock()
        self.redactor = Redactor()
        self.inputs: dict[str, Json] = {}
        if not root.exists():
            create_run_directory(root, manifest(graph), "digraph Test {}\n")

    def open(self) -> OpenRun:
        return open_run(self.root, clock=self.clock, redactor=self.redactor, before_end=None)

    def runner(self, run: OpenRun, *, content_hash: str = "") -> Runner:
        return Runner(
            self.graph,
            run,
            handlers=self.handlers,
            workspace=self.workspace,
            content_hash=content_hash,
            inputs=self.inputs,
        )

    async def walk(self) -> RunResult:
        with self.open() as run:
            return await self.runner(run).run()

    def run(self) -> RunResult:
        return asyncio.run(self.walk())

    def events(self, *kinds: str) -> list[Event]:
        return [one for one in read_events(self.root) if not kinds or one.type in kinds]

    def json(self, name: str) -> dict[str, Json]:
        record = parse_json((self.root / name).read_text("utf-8"))
        assert isinstance(record, dict)
        return record

    def edges(self) -> list[tuple[str | None, str, str]]:
        return [
            (one.node, str(one.data["target"]), str(one.data["reason"]))
            for one in self.events("EdgeSelected")
        ]


def manifest(graph: Graph, **changes: str) -> Manifest:
    plain = Manifest(
        run_id=RUN_ID,
        pipeline=graph.name,
        goal=graph.goal,
        started=datetime(2026, 1, 1, tzinfo=UTC),
        content_hash="a" * 64,
    )
    return replace(plain, **changes)


def read_events(root: Path) -> list[Event]:
    records = [parse_json(line.content) for line in read_lines(root / "events.jsonl")]
    return [Event.from_record(record) for record in records if isinstance(record, dict)]


def run_graph(
    root: Path, graph: Graph, script: Script | None = None
) -> tuple[RunResult, Workplace]:
    """Run a graph once from its start."""
    place = Workplace(root / "run", graph, script)
    return place.run(), place
