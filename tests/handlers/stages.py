"""Builds a stage by hand and executes its handler, with stand-ins that record their calls."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attractor.backends.registry import BackendParts
from attractor.backends.simulate import Simulate
from attractor.base.clock import Clock, SystemClock
from attractor.base.errors import UsageError
from attractor.base.json import Json, canonical_json, parse_json
from attractor.base.processes import ExecResult, OnOutput, OutputChunk
from attractor.engine.context import Context
from attractor.engine.errors import StageOver
from attractor.engine.journal.events import ENGINE_KINDS
from attractor.engine.outcome import Outcome
from attractor.engine.questions.question import Answer, AnswerKind, Interviewer, Question, ask_each
from attractor.engine.seams import (
    Backend,
    ChildRuns,
    ModelAnswer,
    Parts,
    PlayTrain,
    Stage,
    Workspace,
)
from attractor.engine.stage.folder import HISTORY, LARGEST_FILE, STATUS
from attractor.engine.stage.no_workspace import NoEnvironment, NoWorkspace
from attractor.engine.storage.secrets import Redactor
from attractor.environments.environment import ExecutionEnvironment
from attractor.handlers.registry import handler_registry
from attractor.language.conditions.condition import Lookup
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.source.syntax_tree import Attribute, Attributes, Plain, Value, ValueKind
from tests.engine.branches import GivenBranches
from tests.patience import PATIENCE_S

KINDS = {
    str: ValueKind.STRING,
    int: ValueKind.INTEGER,
    float: ValueKind.FLOAT,
    bool: ValueKind.BOOLEAN,
    timedelta: ValueKind.DURATION,
}


NOW = datetime(2026, 1, 1, tzinfo=UTC)
"""The start time of manual clocks."""


def attributes(**plain: Plain) -> Attributes:
    """Return attributes; a double underscore in a name is a dot."""
    by_key = {name.replace("__", "."): value for name, value in plain.items()}
    return Attributes(
        {
            key: Attribute(key, Value(KINDS[type(value)], value, str(value).lower()))
            for key, value in by_key.items()
        }
    )


def node(id_: str, **plain: Plain) -> Node:
    return Node(id_, attributes(**plain))


def edge(source: str, target: str, **plain: Plain) -> Edge:
    return Edge(source, target, attributes(**plain))


@dataclass(frozen=True)
class Equals:
    """A condition `key=value`."""

    key: str
    value: str

    def holds(self, lookup: Lookup) -> bool:
        return lookup(self.key) == self.value

    def keys(self) -> frozenset[str]:
        return frozenset((self.key,))


def edge_if(source: str, target: str, key: str, value: str, **plain: Plain) -> Edge:
    """Return an edge with the condition `key=value`."""
    plain["condition"] = f"{key}={value}"
    return Edge(source, target, attributes(**plain), condition=Equals(key, value))


def graph(*parts: Node | Edge, **plain: Plain) -> Graph:
    nodes = {one.id: one for one in parts if isinstance(one, Node)}
    edges = tuple(one for one in parts if isinstance(one, Edge))
    for one in edges:
        for end in (one.source, one.target):
            nodes.setdefault(end, Node(end))
    return Graph("pipeline", nodes, edges, attributes(**plain))


@dataclass
class KeptFiles:
    """Stage files in memory; they accept and refuse the same as a stage folder."""

    texts: dict[str, str] = field(default_factory=dict[str, str])
    redactor: Redactor = field(default_factory=Redactor)
    largest: int = LARGEST_FILE
    is_over: bool = False
    full: set[str] = field(default_factory=set[str])

    def write(self, name: str, text: str, *, is_private: bool = False) -> bytes:
        self._check(name)
        self.full.discard(name)
        content = self.redactor.text(text).encode()
        if len(content) > self.largest:
            half = self.largest // 2
            note = f"\n[{len(content) - 2 * half} bytes omitted]\n".encode()
            content = content[:half] + note + content[-half:]
        self.texts[name] = content.decode(errors="ignore")
        return content

    def append(self, name: str, line: str) -> None:
        self._check(name)
        if name in self.full:
            return
        before, more = self.texts.get(name, ""), self.redactor.text(line) + "\n"
        if len((before + more).encode()) > self.largest:
            self.full.add(name)
            more = "[full: what came after was left out]\n"
        self.texts[name] = before + more

    def close(self) -> None:
        self.is_over = True

    def _check(self, name: str) -> None:
        if self.is_over:
            raise StageOver(f"the stage is over: {name} was not written")
        if (
            name in (STATUS, HISTORY, "")
            or name.startswith(".")
            or "\0" in name
            or Path(name).name != name
        ):
            raise UsageError(f"invalid file name {name!r}")


@dataclass
class KeptEvents:
    """Events in memory; they accept and refuse the same as a journal."""

    all: list[tuple[str, dict[str, Json]]] = field(
        default_factory=list[tuple[str, dict[str, Json]]]
    )
    redactor: Redactor = field(default_factory=Redactor)
    is_over: bool = False

    def __call__(self, kind: str, **data: Json) -> None:
        if self.is_over:
            raise StageOver(f"the stage is over: {kind} was not recorded")
        if kind in ENGINE_KINDS:
            raise UsageError(f"event kind {kind} is reserved for the engine")
        written = parse_json(canonical_json(self.redactor.members(data)))
        assert isinstance(written, dict)
        self.all.append((kind, written))

    def close(self) -> None:
        self.is_over = True

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.all]


@dataclass
class Shell(NoEnvironment):
    """An environment with commands only, which end as given."""

    result: ExecResult = ExecResult("", "", 0, False, 1)
    commands: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])

    async def exec_command(
        self,
        command: str,
        *,
        timeout_ms: int,
        working_dir: str | None = None,
        env_vars: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        on_output: OnOutput | None = None,
    ) -> ExecResult:
        self.commands.append((command, timeout_ms))
        self.variables = dict(env_vars or {})
        if on_output:
            on_output(OutputChunk("stdout", self.result.stdout))
            on_output(OutputChunk("stderr", self.result.stderr))
        return self.result


@dataclass
class Saying:
    """A backend with given answers, which records its prompts."""

    said: Outcome | str
    prompts: list[str] = field(default_factory=list[str])

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        self.prompts.append(prompt)
        return self.said

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        self.prompts.append(prompt)
        return ModelAnswer(self.said) if isinstance(self.said, str) else self.said

    async def steer(self, stage_id: str, text: str) -> bool:
        return False


@dataclass
class Person:
    """An interviewer that gives answers in order, then none for ever, and records questions."""

    answers: Sequence[str | Answer] = ()
    questions: list[Question] = field(default_factory=list[Question])
    notices: list[str] = field(default_factory=list[str])

    async def ask(self, question: Question) -> Answer:
        self.questions.append(question)
        if len(self.questions) > len(self.answers):
            await asyncio.Event().wait()
        answer = self.answers[len(self.questions) - 1]
        return answer if isinstance(answer, Answer) else Answer(AnswerKind.GIVEN, answer, "Ada")

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        self.notices.append(message)


@dataclass
class Play:
    """One attempt at a node, and its results."""

    pipeline: Graph
    at: str
    backend: Backend = field(default_factory=lambda: Simulate(BackendParts()))
    interviewer: Interviewer = field(default_factory=Person)
    shell: Shell = field(default_factory=Shell)
    environment: ExecutionEnvironment | None = None
    context: Context = field(default_factory=Context)
    visit: int = 1
    attempt: int = 1
    files: KeptFiles = field(default_factory=KeptFiles)
    events: KeptEvents = field(default_factory=KeptEvents)
    branches: GivenBranches = field(default_factory=GivenBranches)
    workspace: Workspace | None = None
    children: ChildRuns | None = None
    clock: Clock = field(default_factory=SystemClock)
    since: datetime = NOW
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    play_train: PlayTrain | None = None

    @property
    def stage(self) -> Stage:
        return Stage(
            node=self.pipeline.nodes[self.at],
            graph=self.pipeline,
            context=self.context,
            logs_root=Path("/nowhere"),
            visit=self.visit,
            attempt=self.attempt,
            labels=[edge.label for edge in self.pipeline.outgoing(self.at)],
            files=self.files,
            emit=self.events,
            workspace=self.workspace or NoWorkspace(self.environment or self.shell),
            branches=self.branches,
            children=self.children,
            clock=self.clock,
            since=self.since,
        )

    def run(self) -> Outcome:
        """Execute the handler of the node's type."""
        return asyncio.run(asyncio.wait_for(self.execute(), PATIENCE_S))

    async def execute(self) -> Outcome:
        parts = Parts(self.backend, self.interviewer, self.inputs, play_train=self.play_train)
        handler = handler_registry()[self.stage.node.type](parts)
        try:
            return await handler.execute(self.stage)
        finally:
            self.events.close()
            self.files.close()
