import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import FileError, UsageError
from attractor.base.processes import OutputLimit
from attractor.engine.context import Context
from attractor.engine.errors import InvalidReport
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage, success
from attractor.engine.questions.question import Question, QuestionKind
from attractor.engine.seams import Parked, Stage
from attractor.engine.stage.folder import FolderFiles, begin_attempt, folder_of_attempt
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.engine.stage.report import (
    AUTO_STATUS_NOTES,
    execute,
    forbidden_keys,
    parse_report,
    read_report,
)
from attractor.engine.storage.secrets import Redactor
from attractor.engine.truncation import keep_ends, shorten
from attractor.language.graph.graph import Graph, Node
from tests.engine.branches import GivenBranches
from tests.engine.graphs import node


def test_a_whole_report_is_read() -> None:
    text = """{"outcome": "fail", "preferred_label": "Fix", "suggested_next_ids": ["a"],
        "context_updates": {"k": [1]}, "notes": "n", "failure_reason": "r",
        "failure_class": "verdict"}"""
    assert parse_report(text) == Outcome(
        StageStatus.FAIL,
        preferred_label="Fix",
        suggested_next_ids=("a",),
        context_updates={"k": [1]},
        notes="n",
        failure_reason="r",
        failure_class=FailureClass.VERDICT,
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "invalid JSON"),
        ("[]", "not a JSON object"),
        ("{}", "no 'outcome'"),
        ('{"outcome": "skipped"}', "cannot be 'skipped'"),
        ('{"outcome": "sucess"}', "cannot be 'sucess'"),
        ('{"outcome": 1}', "not a text"),
        ('{"outcome": "fail", "note": "x"}', "unknown field 'note'"),
        ('{"outcome": "fail", "failure_class": "pipeline"}', "cannot be 'pipeline'"),
        ('{"outcome": "success", "context_updates": []}', None),
        ('{"outcome": "success", "context_updates": [1]}', "not an object"),
        ('{"outcome": "success", "suggested_next_ids": "a"}', "not a list"),
        ('{"outcome": "success", "suggested_next_ids": [1]}', "items that are not texts"),
    ],
)
def test_invalid_report_is_described(text: str, words: str | None) -> None:
    if words is None:
        assert parse_report(text).context_updates == {}
        return
    with pytest.raises(InvalidReport, match=words) as caught:
        parse_report(text)
    assert caught.value.hint


def test_a_mistyped_word_gets_a_suggestion() -> None:
    with pytest.raises(InvalidReport) as caught:
        parse_report('{"outcome": "sucess"}')
    assert caught.value.hint == "did you mean success?"


def test_the_keys_of_the_engine_are_found_behind_any_prefix() -> None:
    keys = ["outcome", "context.outcome", "human.gate.label", "context.human.gate.label"]
    more = ["context.context.graph.goal", "work.item", "stack.x", "growth.y", "internal.z"]
    fine = ["tests_passed", "context.tests_passed", "humanity", "my.outcome", "stack"]
    updates = dict.fromkeys([*keys, *fine, *more, "parallel.results", "current_node"], 1)
    assert forbidden_keys(updates) == [*keys, *more, "parallel.results", "current_node"]


def test_a_report_file_is_read_when_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    assert read_report(path) is None
    path.write_text('{"outcome": "success"}')
    assert read_report(path) == Outcome(StageStatus.SUCCESS)


def test_no_link_and_no_pipe_is_read_as_a_report(tmp_path: Path) -> None:
    (tmp_path / "real").write_text('{"outcome": "success"}')
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b" " * (2 << 20))
    for name in ("link", "dangling", "pipe", "large"):
        with pytest.raises(InvalidReport, match="cannot be read"):
            read_report(tmp_path / name)


@given(st.text(), st.integers(1, 30))
def test_a_shortened_text_fits_and_shows_the_cut(text: str, length: int) -> None:
    short = shorten(text, length)
    assert len(short) <= length
    assert short == text or short == text[: length - 1] + "…"
    assert (short == text) or len(text) > length


def test_long_text_keeps_both_ends() -> None:
    kept = keep_ends("begin " + "x" * 50 + " end", OutputLimit(head=6, tail=4))
    assert kept == "begin \n[... 50 bytes omitted ...]\n end"


def test_half_a_character_stops_nothing() -> None:
    assert keep_ends("a\ud800b") == "a?b"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    begin_attempt(tmp_path / "work", 1, 1)
    return tmp_path / "work"


def files_in(folder: Path) -> dict[str, str]:
    return {
        str(one.relative_to(folder)): one.read_text() for one in folder.rglob("*") if one.is_file()
    }


def attempt(folder: Path, visit: int, number: int, *, ends: bool = True) -> None:
    begin_attempt(folder, visit, number)
    files = FolderFiles(folder, Redactor())
    files.write("response.md", f"{visit}.{number}")
    if ends:
        files.finish({"visit": visit, "attempt": number})


def test_interrupted_attempt_is_moved_to_the_history(folder: Path) -> None:
    attempt(folder, 1, 1)
    attempt(folder, 1, 2, ends=False)
    attempt(folder, 1, 2, ends=False)
    attempt(folder, 1, 2)
    attempt(folder, 1, 2)
    files = {name: text for name, text in files_in(folder).items() if name.endswith(".md")}
    assert files == {
        "response.md": "1.2",
        "history/1.1/response.md": "1.1",
        "history/1.2.interrupted/response.md": "1.2",
        "history/1.2.interrupted.2/response.md": "1.2",
        "history/1.2.interrupted.3/response.md": "1.2",
    }


@pytest.mark.parametrize("status", ["nonsense", "{}"])
def test_attempt_with_corrupt_status_counts_as_interrupted(folder: Path, status: str) -> None:
    attempt(folder, 1, 1)
    (folder / "status.json").write_text(status)
    begin_attempt(folder, 1, 2)
    assert "history/1.2.interrupted/response.md" in files_in(folder)


def test_a_move_that_was_cut_off_is_finished(folder: Path) -> None:
    attempt(folder, 1, 1)
    FolderFiles(folder, Redactor()).write("prompt.md", "ask")
    past = folder / "history" / "1.1"
    past.mkdir(parents=True)
    (folder / "response.md").rename(past / "response.md")
    begin_attempt(folder, 1, 2)
    assert sorted(files_in(folder)) == [
        "history/1.1/prompt.md",
        "history/1.1/response.md",
        "history/1.1/status.json",
    ]


def aside(folder: Path, visit: int, number: int, *, ends: bool = True) -> Path:
    own = begin_attempt(folder, visit, number, is_aside=True)
    files = FolderFiles(own, Redactor())
    files.write("response.md", f"{visit}.{number}")
    if ends:
        files.finish({"visit": visit, "attempt": number})
    return own


def test_concurrent_attempt_writes_to_history(folder: Path) -> None:
    FolderFiles(folder, Redactor()).write("prompt.md", "at work")
    assert aside(folder, 2, 1) == folder / "history" / "2.1"
    assert aside(folder, 3, 1) == folder / "history" / "3.1"
    assert sorted(files_in(folder)) == [
        "history/2.1/response.md",
        "history/2.1/status.json",
        "history/3.1/response.md",
        "history/3.1/status.json",
        "prompt.md",
    ]
    # Whoever comes when the folder is free finds it so, and the past where it was.
    FolderFiles(folder, Redactor()).finish({"visit": 1, "attempt": 1})
    attempt(folder, 4, 1)
    files = files_in(folder)
    assert files["response.md"] == "4.1"
    assert files["history/1.1/prompt.md"] == "at work"
    assert files["history/3.1/response.md"] == "3.1"


def test_later_attempt_in_folder_moves_to_its_history(folder: Path) -> None:
    attempt(folder, 3, 1)
    attempt(folder, 2, 2)
    assert (folder / "history" / "3.1" / "response.md").read_text() == "3.1"


def test_interrupted_attempt_aside_is_renamed(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    for _ in range(2):
        aside(folder, 2, 1, ends=False)
    aside(folder, 2, 1)
    assert sorted(one.name for one in (folder / "history").iterdir()) == [
        "2.1",
        "2.1.interrupted",
        "2.1.interrupted.2",
    ]


def test_linked_history_is_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (folder / "history").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileError):
        aside(folder, 2, 1)
    assert files_in(tmp_path / "elsewhere") == {}


def test_an_attempt_that_ended_is_found_wherever_it_lies(folder: Path) -> None:
    attempt(folder, 1, 1)
    attempt(folder, 2, 1)
    assert folder_of_attempt(folder, 1, 1) == folder / "history" / "1.1"
    assert folder_of_attempt(folder, 2, 1) == folder
    assert folder_of_attempt(folder, 2, 2) is None
    assert folder_of_attempt(folder / "other", 1, 1) is None


class Doing:
    """A handler that does what it is given."""

    def __init__(self, work: Callable[[Stage], Awaitable[object]]) -> None:
        self._work = work

    async def execute(self, stage: Stage) -> Outcome:
        return await self._work(stage)  # pyright: ignore[reportReturnType]


class Plain:
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
    return asyncio.run(execute(Doing(work), stage_of(here or node("a"))))


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


def test_parked_passes() -> None:
    question = Question("q", "?", QuestionKind.YES_NO, (), "a")
    with pytest.raises(Parked):
        outcome_of(raising(Parked(question)))


def test_a_malformed_time_limit_is_a_failure() -> None:
    assert outcome_of(hang, node("a", timeout="soon")).failure_class is FailureClass.TERMINAL


def test_a_handler_that_keeps_its_own_time_has_the_first_word() -> None:
    async def longer(stage: Stage) -> object:
        await asyncio.sleep(0.05)
        return success("my own way")

    gate = node("a", "hexagon", timeout=timedelta(milliseconds=1))
    assert outcome_of(longer, gate).notes == "my own way"


def test_a_cancellation_from_outside_passes_and_one_from_inside_fails() -> None:
    inside = outcome_of(raising(asyncio.CancelledError()))
    assert inside.status is StageStatus.FAIL

    async def from_outside() -> None:
        task = asyncio.create_task(execute(Doing(hang), stage_of(node("a"))))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(from_outside())


def test_sync_handler_runs_in_a_thread() -> None:
    handler = Plain()
    outcome = asyncio.run(execute(handler, stage_of(node("a"))))  # pyright: ignore[reportArgumentType]
    assert outcome == success("plainly")
    assert handler.thread is not threading.main_thread()


def test_saying_nothing_is_a_success_only_with_auto_status() -> None:
    assert outcome_of(returning(None), node("a", auto_status=True)) == success(AUTO_STATUS_NOTES)
    assert outcome_of(returning(None)).failure_class is FailureClass.TERMINAL
    assert "returned str" in outcome_of(returning("text")).failure_reason


def test_updates_that_are_not_json_are_a_failure() -> None:
    odd = Outcome(StageStatus.SUCCESS, context_updates={"x": object()})  # pyright: ignore[reportArgumentType]
    assert "context updates" in outcome_of(returning(odd)).failure_reason


@pytest.mark.parametrize(
    ("field", "value", "told"),
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
def test_outcome_field_of_another_type_fails(field: str, value: object, told: str) -> None:
    odd = Outcome(**{"status": StageStatus.SUCCESS, field: value})  # pyright: ignore[reportArgumentType]
    failed = outcome_of(returning(odd))
    assert failed.failure_class is FailureClass.TERMINAL
    assert told in failed.failure_reason


def test_a_failure_without_words_gets_some() -> None:
    silent = Outcome(StageStatus.FAIL, preferred_label="Fix")
    worded = Outcome(StageStatus.FAIL, preferred_label="Fix", failure_reason="a failed")
    assert outcome_of(returning(silent)) == worded


def test_without_an_environment_work_on_files_is_refused() -> None:
    async def read(stage: Stage) -> object:
        return await stage.workspace.environment.read_file("x")

    assert "no environment" in outcome_of(read).failure_reason
    with pytest.raises(UsageError):
        asyncio.run(NoWorkspace().export("tree", Path("to")))
