import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.engine.context import Context
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage, success
from attractor.engine.questions.question import Question, QuestionKind
from attractor.engine.seams import Parked, Stage
from attractor.engine.stage.execution import AUTO_STATUS_NOTES, execute
from attractor.engine.stage.folder import FolderFiles
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.engine.storage.secrets import Redactor
from attractor.language.graph.graph import Graph, Node
from tests.engine.branches import GivenBranches
from tests.engine.graphs import node


class FunctionHandler:
    """A handler that calls a given function."""

    def __init__(self, work: Callable[[Stage], Awaitable[object]]) -> None:
        self._work = work

    async def execute(self, stage: Stage) -> Outcome:
        return await self._work(stage)  # pyright: ignore[reportReturnType]


class SyncHandler:
    """A handler that is not async."""

    def __init__(self) -> None:
        self.thread = threading.current_thread()

    def execute(self, stage: Stage) -> Outcome:
        self.thread = threading.current_thread()
        return success("plainly")


def stage_of(here: Node) -> Stage:
    def emit(kind: str, **data: object) -> None:
        raise AssertionError(kind)

    folder = Path("nowhere")
    return Stage(
        node=here,
        graph=Graph("Test", {here.id: here}),
        context=Context(),
        logs_root=folder,
        visit=1,
        attempt=1,
        labels=(),
        files=FolderFiles(folder, Redactor()),
        emit=emit,
        workspace=NoWorkspace(),
        branches=GivenBranches(),
    )


def outcome_of(work: Callable[[Stage], Awaitable[object]], here: Node | None = None) -> Outcome:
    return asyncio.run(execute(FunctionHandler(work), stage_of(here or node("a"))))


def raising(error: BaseException) -> Callable[[Stage], Awaitable[object]]:
    async def work(stage: Stage) -> object:
        raise error

    return work


def returning(value: object) -> Callable[[Stage], Awaitable[object]]:
    async def work(stage: Stage) -> object:
        return value

    return work


async def hang(stage: Stage) -> object:
    await asyncio.Event().wait()
    return None


def test_parked_is_raised_unchanged() -> None:
    question = Question("q", "?", QuestionKind.YES_NO, (), "a")
    with pytest.raises(Parked):
        outcome_of(raising(Parked(question)))


def test_a_malformed_time_limit_is_a_failure() -> None:
    assert outcome_of(hang, node("a", timeout="soon")).failure_class is FailureClass.TERMINAL


def test_handler_with_its_own_timeout_is_not_stopped() -> None:
    async def longer(stage: Stage) -> object:
        await asyncio.sleep(0.05)
        return success("my own way")

    gate = node("a", "hexagon", timeout=timedelta(milliseconds=1))
    assert outcome_of(longer, gate).notes == "my own way"


def test_a_cancellation_from_outside_passes_and_one_from_inside_fails() -> None:
    inside = outcome_of(raising(asyncio.CancelledError()))
    assert inside.status is StageStatus.FAIL

    async def from_outside() -> None:
        task = asyncio.create_task(execute(FunctionHandler(hang), stage_of(node("a"))))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(from_outside())


def test_sync_handler_runs_in_a_thread() -> None:
    handler = SyncHandler()
    outcome = asyncio.run(execute(handler, stage_of(node("a"))))  # pyright: ignore[reportArgumentType]
    assert outcome == success("plainly")
    assert handler.thread is not threading.main_thread()


def test_missing_outcome_is_a_success_only_with_auto_status() -> None:
    assert outcome_of(returning(None), node("a", auto_status=True)) == success(AUTO_STATUS_NOTES)
    assert outcome_of(returning(None)).failure_class is FailureClass.TERMINAL
    assert "returned str" in outcome_of(returning("text")).failure_reason


def test_updates_that_are_not_json_are_a_failure() -> None:
    odd = Outcome(StageStatus.SUCCESS, context_updates={"x": object()})  # pyright: ignore[reportArgumentType]
    assert "context updates" in outcome_of(returning(odd)).failure_reason


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("status", "success", "its status 'success' must be one of success, partial_success"),
        ("notes", 5, "its notes must be a text"),
        ("preferred_label", None, "its preferred_label must be a text"),
        ("suggested_next_ids", "plan", "its suggested_next_ids must be texts"),
        ("suggested_next_ids", (1,), "its suggested_next_ids must be texts"),
        ("context_updates", ["a"], "its context_updates must be a mapping"),
        ("failure_class", "odd", "its failure_class must be one of retryable, terminal"),
        ("usage", {"input_tokens": 1}, "its usage must be a Usage, in numbers"),
        ("usage", Usage(cost_usd="1"), "its usage must be a Usage"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_outcome_field_of_another_type_fails(field: str, value: object, message: str) -> None:
    odd = Outcome(**{"status": StageStatus.SUCCESS, field: value})  # pyright: ignore[reportArgumentType]
    failed = outcome_of(returning(odd))
    assert failed.failure_class is FailureClass.TERMINAL
    assert message in failed.failure_reason


def test_failure_without_a_reason_gets_a_reason() -> None:
    silent = Outcome(StageStatus.FAIL, preferred_label="Fix")
    worded = Outcome(StageStatus.FAIL, preferred_label="Fix", failure_reason="a failed")
    assert outcome_of(returning(silent)) == worded


def test_without_an_environment_work_on_files_is_refused() -> None:
    async def read(stage: Stage) -> object:
        return await stage.workspace.environment.read_file("x")

    assert "no environment" in outcome_of(read).failure_reason
    with pytest.raises(UsageError):
        asyncio.run(NoWorkspace().export("tree", Path("to")))
