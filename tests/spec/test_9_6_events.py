"""attractor-spec 9.6: the events of a run, their fields, and their observers."""

import ast
import asyncio
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from attractor import Answer, EventStream, Question, RunResult, parse, run_pipeline
from attractor.agent.events import DELTAS, EventKind
from attractor.base.events import Event
from attractor.engine.journal.events import ENGINE_KINDS
from attractor.engine.questions.question import AnswerKind
from tests.spec.runs import between, environ_for, events, project_in, run

ROOT = Path(__file__).parent.parent.parent
EVERYTHING = between(
    "flaky [max_retries=1, shape=parallelogram, "
    'tool_command="test -e once || { touch once; false; }"]',
    "fan [shape=component]",
    "meet [shape=tripleoctagon]",
    'ask [shape=hexagon, label="Ship it?"]',
    'late [shape=hexagon, label="Still?", timeout="1s", human.default_choice="exit"]',
    "start -> flaky -> fan",
    "fan -> a -> meet",
    "fan -> b -> meet",
    "meet -> ask",
    'ask -> late [label="Yes"]',
    'late -> exit [label="Go"]',
)
SPECIFIED = {
    "PipelineStarted": {"name", "id"},
    "PipelineCompleted": {"duration", "artifact_count"},
    "PipelineFailed": {"error", "duration"},
    "StageStarted": {"name", "index"},
    "StageCompleted": {"name", "index", "duration"},
    "StageFailed": {"name", "index", "error", "will_retry"},
    "StageRetrying": {"name", "index", "attempt", "delay"},
    "ParallelStarted": {"branch_count"},
    "ParallelBranchStarted": {"branch", "index"},
    "ParallelBranchCompleted": {"branch", "index", "duration", "success"},
    "ParallelCompleted": {"duration", "success_count", "failure_count"},
    "InterviewStarted": {"question"},
    "InterviewCompleted": {"question", "answer", "duration"},
    "InterviewTimeout": {"question", "duration"},
    "CheckpointSaved": {"node_id"},
}
"""The stage of an interview is the node that the envelope names."""


async def answer(question: Question) -> Answer:
    return Answer(AnswerKind.TIMEOUT if question.stage == "late" else AnswerKind.GIVEN, "Yes")


@pytest.fixture(scope="module")
def journal_events(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Event]:
    good = run(tmp_path_factory.mktemp("good"), EVERYTHING, interviewer=answer)
    failing = between('bad [shape=parallelogram, tool_command="false"]', "start -> bad -> exit")
    bad = run(tmp_path_factory.mktemp("bad"), failing)
    return [*events(good), *events(bad)]


@pytest.mark.parametrize("kind", SPECIFIED)
def test_9_6_events_have_the_specified_fields(journal_events: Sequence[Event], kind: str) -> None:
    found = [one for one in journal_events if one.type == kind]
    assert found
    for one in found:
        assert SPECIFIED[kind] <= set(one.data)
        assert one.node or not kind.startswith(("Stage", "Parallel", "Interview"))


def test_9_6_observers_and_streams_get_the_events_of_the_journal(tmp_path: Path) -> None:
    heard, streamed = list[str](), list[str]()

    async def both() -> RunResult:
        stream = EventStream()
        running = asyncio.create_task(
            run_pipeline(
                parse(between("start -> plan -> exit")),
                backend="simulate",
                workspace="none",
                sandbox="none",
                project=project_in(tmp_path),
                environ=environ_for(tmp_path),
                observer=stream,
            )
        )
        async for one in stream:
            streamed.append(one.hash)
        return await running

    result = asyncio.run(both())
    run(tmp_path, between("start -> plan -> exit"), observer=lambda one: heard.append(one.type))
    written = [one.hash for one in events(result)]
    assert streamed
    assert streamed == written[-len(streamed) :]
    assert {"PipelineStarted", "StageStarted", "StageCompleted", "PipelineCompleted"} <= set(heard)


def test_9_6_every_event_there_is_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "events.md").read_text("utf-8")
    kinds = {*ENGINE_KINDS, *set(EventKind) - DELTAS, *_emitted(), *SPECIFIED}
    assert [one for one in sorted(kinds) if f"| `{one}` |" not in page] == []


def _emitted() -> Iterator[str]:
    """Yield the event types that are emitted by name, or by a constant with the name."""
    texts = [one.read_text("utf-8") for one in (ROOT / "attractor").rglob("*.py")]
    named = dict(one for text in texts for one in re.findall(r'^([A-Z_]+) = "(\w+)"$', text, re.M))
    trees = [ast.parse(text) for text in texts if "emit(" in text]
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and _name(node.func) == "emit":
                first = node.args[0]
                kind = (
                    named.get(_name(first)) if not isinstance(first, ast.Constant) else first.value
                )
                if isinstance(kind, str):
                    yield kind


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
