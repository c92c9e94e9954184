"""Interrupted stages are repeated, fail, or ask a person.

Attempts of a visit, and the patch of the visit.
"""

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.clock import SystemClock
from attractor.base.errors import ExitCode
from attractor.engine.errors import StageOver
from attractor.engine.journal.events import Action
from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.preflight import find_faults, require_executable
from attractor.engine.questions.question import Answer, AnswerKind, Question
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.runner import Runner
from attractor.engine.seams import Parked, Stage
from attractor.engine.stage import patch as patches
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.engine.stage.patch import Patch, make_patch, redact_patch
from attractor.engine.state.attempts import TreeId
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.engine.storage.secrets import Redactor
from attractor.language.diagnostics import NotRunnable
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Plain
from attractor.workspaces.errors import GitFailed
from attractor.workspaces.tracked_folder import TrackedFolder
from tests.engine.forked import forked
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import RETRY, Nothing, Script, Workplace, handlers_of, run_graph
from tests.tables import table
from tests.workspaces.projects import Project, contents, git, write

Said = str | Answer


@dataclass
class Person:
    """Gives its answers in order, then parks."""

    says: list[Said] = field(default_factory=list[Said])
    asked: list[Question] = field(default_factory=list[Question])
    notices: list[str] = field(default_factory=list[str])

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        if not self.says:
            raise Parked(question)
        said = self.says.pop(0)
        return said if isinstance(said, Answer) else Answer(AnswerKind.GIVEN, said, "ann")

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return [await self.ask(one) for one in questions]

    async def inform(self, message: str, stage: str) -> None:
        self.notices.append(message)


class InterviewedRun(Workplace):
    """A run directory with a person as the interviewer."""

    def __init__(self, root: Path, whole: Graph) -> None:
        super().__init__(root, whole)
        self.person = Person()

    def runner(self, run: OpenRun, *, content_hash: str = "") -> Runner:
        return Runner(
            self.graph,
            run,
            handlers=self.handlers,
            workspace=self.workspace,
            interviewer=self.person,
        )


class Deploying(InterviewedRun):
    """A run with a stage that must not be repeated without a person's answer."""

    def __init__(self, folder: Path, *, attribute: str = "ask", **more: str | int) -> None:
        deploy = node("deploy", label="Deploy it", if_interrupted=attribute, **more)
        whole = graph(
            [start(), deploy, node("sorry"), end()],
            [
                *chain("start", "deploy"),
                edge("deploy", "exit", condition="outcome=success"),
                edge("deploy", "sorry", condition="outcome=fail"),
                edge("sorry", "exit"),
            ],
        )
        super().__init__(folder / "run", whole)

    def die(self) -> None:
        """End the process during the stage."""
        self.handler.script = {"deploy": _die}
        with pytest.raises(KeyboardInterrupt):
            self.run()
        self.handler.script = {}

    @property
    def deployed(self) -> int:
        """Number of times that the stage began."""
        return self.handler.nodes.count("deploy")


class DyingClock(SystemClock):
    """A clock whose process dies when it starts to wait."""

    async def sleep(self, duration: timedelta) -> None:
        raise KeyboardInterrupt


async def _die(stage: Stage) -> Outcome:
    raise KeyboardInterrupt


@table(
    ("said", "times", "path"),
    [
        ("repeat", 2, ["start", "deploy"]),
        (" Repeat ", 2, ["start", "deploy"]),
        ("done", 1, ["start", "deploy"]),
        ("It is completed: continue as after a success", 1, ["start", "deploy"]),
        ("fail", 1, ["start", "deploy", "sorry"]),
    ],
)
def test_choice_is_applied(tmp_path: Path, said: str, times: int, path: list[str]) -> None:
    place = Deploying(tmp_path)
    place.die()
    place.person.says = [said]
    result = place.run()
    assert (result.exit_code, list(result.completed)) == (ExitCode.DONE, path)
    assert place.deployed == times


def test_interruption_question_describes_choices(tmp_path: Path) -> None:
    place = Deploying(tmp_path)
    place.die()
    place.person.says = ["repeat"]
    place.run()
    (question,) = place.person.asked
    assert (question.id, question.stage) == ("deploy@1.1#interrupted", "deploy")
    assert question.text.startswith("The stage deploy (Deploy it) was interrupted")
    assert [(one.key, one.label) for one in question.options] == [
        ("repeat", "Repeat it from the start"),
        ("done", "It is completed: continue as after a success"),
        ("fail", "It failed: continue as after a failure"),
    ]


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("done", "StageCompleted", "interrupted, and completed according to ann"),
        ("fail", "StageFailed", "interrupted, and failed according to ann"),
    ],
)
def test_journal_has_author_of_answer(tmp_path: Path, said: str, kind: str, words: str) -> None:
    place = Deploying(tmp_path)
    place.die()
    place.person.says = [said]
    place.run()
    (asked,) = place.events("InterviewStarted")
    (answered,) = place.events("InterviewCompleted")
    assert (asked.node, asked.visit, asked.attempt) == ("deploy", 1, 1)
    answer = {"kind": "given", "value": said, "by": "ann", "proof": "unverified"}
    assert answered.data["answer"] == answer
    (ended,) = [one for one in place.events(kind) if one.node == "deploy"]
    assert words in (ended.data.get("notes"), ended.data.get("error"))


def test_no_stage_begins_before_the_choice_after_an_interruption(tmp_path: Path) -> None:
    place = Deploying(tmp_path, timeout="1s")
    place.die()
    begun = len(place.events("StageStarted"))
    result = place.run()
    assert (result.status, result.exit_code) == (AWAITING_ANSWER, ExitCode.UNFINISHED)
    assert result.question
    assert result.question.id == "deploy@1.1#interrupted"
    assert result.question.deadline == ""
    assert len(place.events("StageStarted")) == begun


@table("said", [Answer(AnswerKind.SKIPPED), Answer(AnswerKind.TIMEOUT), "yes", "", "rep"])
def test_question_without_choice_stays_open(tmp_path: Path, said: Said) -> None:
    place = Deploying(tmp_path)
    place.die()
    place.person.says = [said] * 3
    assert place.run().status == AWAITING_ANSWER
    assert place.deployed == 1
    if isinstance(said, str):
        assert len(place.person.notices) == 3
        assert place.person.notices[0].startswith(f"invalid choice {said!r}")
        assert "repeat" in place.person.notices[0]


def test_second_interruption_asks_again(tmp_path: Path) -> None:
    place = Deploying(tmp_path)
    place.die()
    place.person.says = ["repeat"]
    place.die()
    result = place.run()
    assert result.question
    assert result.question.id == "deploy@1.1#interrupted.2"
    place.person.says = ["done"]
    assert place.run().exit_code is ExitCode.DONE
    assert place.deployed == 2


def test_an_answer_that_was_used_is_not_used_again(tmp_path: Path) -> None:
    place = Deploying(tmp_path)
    place.die()
    assert place.run().status == AWAITING_ANSWER
    order = Order(Action.ANSWER, "ann", question="deploy@1.1#interrupted", value="repeat")
    leave_order(place.root / "inbox", order, name="A1")
    with place.open() as run:
        run.take_orders()
        question = place.person.asked[-1]
        assert run.answer_to(question) == Answer(AnswerKind.GIVEN, "repeat", "ann")
    place.person.says = ["repeat"]
    place.die()
    with place.open() as run:
        assert not run.state.questions
        assert run.answer_to(question) is None


def test_wait_between_attempts_is_no_interruption(tmp_path: Path) -> None:
    """A process that dies between two attempts has not interrupted any work."""
    for attribute in ("ask", "fail"):
        place = Deploying(
            tmp_path / attribute, attribute=attribute, max_retries=1, retry_policy="none"
        )

        place.handler.script = {"deploy": [RETRY, success()]}
        awake, place.clock = place.clock, DyingClock()
        with pytest.raises(KeyboardInterrupt):
            place.run()
        place.clock = awake
        assert place.run().exit_code is ExitCode.DONE
        assert place.person.asked == []
        assert place.handler.calls[-1] == ("deploy", 1, 2)


def test_interrupted_stage_with_fail_fails_and_walk_continues(tmp_path: Path) -> None:
    place = Deploying(tmp_path, attribute="fail")
    place.die()
    result = place.run()
    assert result.outcome is StageStatus.SUCCESS
    assert list(result.completed) == ["start", "deploy", "sorry"]
    (failed,) = place.events("StageFailed")
    assert failed.data["error"] == "interrupted, and if_interrupted=fail"
    assert place.person.asked == []


HANDLERS = handlers_of(Nothing())


def test_a_graph_that_can_run_passes() -> None:
    require_executable(line("a"), HANDLERS, Redactor())
    assert list(find_faults(line("a"), HANDLERS)) == []
    with pytest.raises(NotRunnable):
        require_executable(graph([node("a")], []), HANDLERS, Redactor())
    lost = Graph("Test", line("a").nodes, (edge("start", "gone"),))
    with pytest.raises(NotRunnable, match="'gone'"):
        require_executable(lost, HANDLERS, Redactor())


def test_all_faults_are_listed_at_once() -> None:
    whole = graph(
        [
            start(),
            end(),
            node("inbox"),
            node("boss", "house"),
            node("slow", timeout="soon"),
            node("again", retry_policy="patent"),
        ],
        [*chain("start", "exit"), edge("boss", "exit", loop_restart=True)],
    )
    with pytest.raises(NotRunnable) as caught:
        require_executable(whole, HANDLERS, Redactor())
    text = caught.value.message
    for words in ("'inbox'", "'stack.manager_loop'", "'soon'", "'patent'", "loop_re"):
        assert words in text
    assert caught.value.exit_code is ExitCode.USAGE
    assert len(list(find_faults(whole, HANDLERS))) == 5
    many = graph([start(), end(), *(node(f"n{one}", "house") for one in range(200))], [])
    with pytest.raises(NotRunnable, match=r"  and \d+ more$"):
        require_executable(many, HANDLERS, Redactor())


def test_secret_in_graph_is_refused_without_disclosure() -> None:
    with pytest.raises(NotRunnable) as caught:
        require_executable(line("my_password"), HANDLERS, Redactor(["password"]))
    assert "secret" in caught.value.message
    assert "password" not in caught.value.message


def place_of(tmp_path: Path, script: Outcome | list[Outcome], **attributes: Plain) -> Workplace:
    whole = graph([start(), node("a", **attributes), end()], chain("start", "a", "exit"))
    return Workplace(tmp_path / "run", whole, {"a": script})


def test_resumed_stage_keeps_its_used_attempts(tmp_path: Path) -> None:
    place = place_of(tmp_path, success(), max_retries=2, retry_policy="none")

    async def die_at_second(stage: Stage) -> Outcome:
        if stage.attempt == 2:
            raise KeyboardInterrupt
        return RETRY

    place.handler.script = {"a": die_at_second}
    with pytest.raises(KeyboardInterrupt):
        place.run()
    place.handler.script = {"a": RETRY}
    place.run()
    assert [attempt for _, _, attempt in place.handler.calls] == [1, 2, 2, 3]


def test_context_updates_of_failed_attempt_are_dropped(tmp_path: Path) -> None:
    async def write(stage: Stage) -> Outcome:
        stage.context.set(f"attempt{stage.attempt}", True)
        stage.context.append_log(f"attempt {stage.attempt}")
        return RETRY if stage.attempt == 1 else success(said=1)

    whole = graph(
        [start(), node("a", max_retries=1, retry_policy="none"), end()], chain("start", "a", "exit")
    )
    _, place = run_graph(tmp_path, whole, {"a": write})
    with place.open() as run:
        context = run.progress.context
        assert ("attempt1" in context, context["attempt2"], context["said"]) == (False, True, 1)
        assert run.progress.logs == ("attempt 2",)


def test_stage_emits_nothing_after_its_end(tmp_path: Path) -> None:
    kept: list[Stage] = []

    async def keep(stage: Stage) -> Outcome:
        stage.emit("Mine", said="in time")
        kept.append(stage)
        return success()

    async def late(stage: Stage) -> Outcome:
        for use in (lambda: kept[0].emit("Mine"), lambda: kept[0].files.write("x", "y")):
            with pytest.raises(StageOver):
                use()
        return success()

    whole = graph([start(), end()], chain("start", "a", "b", "exit"))
    result, place = run_graph(tmp_path, whole, {"a": keep, "b": late})
    assert result.outcome is StageStatus.SUCCESS
    [mine] = place.events("Mine")
    assert (mine.node, mine.visit, mine.attempt) == ("a", 1, 1)


def test_unrepeatable_stage_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    before: list[int] = []

    async def look(stage: Stage) -> Outcome:
        before.append(len(syncs))
        return success()

    monkeypatch.setattr(os, "fsync", syncs.append)
    for word in ("repeat", "fail"):
        syncs.clear()
        nodes = [start(), node("a", if_interrupted=word), end()]
        Workplace(tmp_path / word, graph(nodes, chain("start", "a", "exit")), {"a": look}).run()
    assert before[1] - before[0] == 1


Files = Mapping[str, str | bytes]
ODD: Files = {
    "größe 🐍.txt": "grüße\n",
    'a "quoted"\tname': "x\n",
    "no newline": "at the end",
    "latin.txt": b"gr\xfc\xdfe\n",
    "binary": bytes(range(256)) * 20,
    "deep/er/file": "deep\n",
    "todo.py": "changed\n",
    "b/b b/b": "b\n",
}


def writing(files: Files) -> Callable[[Stage], Awaitable[Outcome]]:
    """Return a stage that writes files into the workspace."""

    async def work(stage: Stage) -> Outcome:
        assert isinstance(stage.workspace, TrackedFolder)
        write(stage.workspace.folder, files)
        return success()

    return work


async def walked(place: Workplace, below: Path) -> TrackedFolder:
    workspace = await Project.made(below).workspace()
    place.workspace = workspace
    await place.walk()
    return workspace


def run(tmp_path: Path, script: Script, *ids: str) -> tuple[Workplace, TrackedFolder]:
    place = Workplace(tmp_path / "run", line(*ids), script)
    return place, asyncio.run(walked(place, tmp_path))


def test_patch_contains_changes_of_stage(tmp_path: Path) -> None:
    place, workspace = run(
        tmp_path, {"a": writing(ODD), "b": writing({"todo.py": "again\n"})}, "a", "b"
    )
    copy = tmp_path / "copy"
    asyncio.run(workspace.export(workspace.base.candidate, copy))
    git(copy, "init", "--quiet")
    for id_ in ("a", "b"):
        git(copy, "apply", "--whitespace=nowarn", str(place.root / id_ / "diff.patch"))
    assert contents(copy) == contents(workspace.folder)


def test_unchanged_tree_has_no_patch(tmp_path: Path) -> None:
    place, _ = run(tmp_path, {"b": writing({"new": "x"})}, "a", "b", "c")
    assert [id_ for id_ in "abc" if (place.root / id_ / "diff.patch").exists()] == ["b"]


def test_without_trees_there_is_no_patch(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    place.workspace = NoWorkspace()
    place.run()
    assert not list(place.root.glob("**/diff.patch"))


def test_patch_covers_all_attempts_of_a_visit(tmp_path: Path) -> None:
    calls = 0

    async def work(stage: Stage) -> Outcome:
        nonlocal calls
        calls += 1
        done = await writing({f"file{calls}": "x\n"})(stage)
        return RETRY if calls == 1 else done

    again = node("a", max_retries=1, retry_policy="none", retry_from="left")
    place = Workplace(
        tmp_path / "run",
        graph([start(), end(), again, node("b", goal_gate=True, retry_target="a", max_visits=2)],
              chain("start", "a", "b", "exit")),
        {"a": work, "b": [Outcome(RETRY.status), success()]},
    )  # fmt: skip
    asyncio.run(walked(place, tmp_path))
    folder = place.root / "a"
    assert "file1" in (folder / "history" / "1.2" / "diff.patch").read_text()
    assert "file2" in (folder / "history" / "1.2" / "diff.patch").read_text()
    assert "file3" in (folder / "diff.patch").read_text()
    assert "file2" not in (folder / "diff.patch").read_text()


def test_stages_of_a_branch_have_their_own_patches(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", forked("a", "b"), {"a": writing({"mine": "a\n"})})
    asyncio.run(walked(place, tmp_path))
    assert "mine" in (place.root / "a" / "diff.patch").read_text()
    assert not (place.root / "b" / "diff.patch").exists()


def test_patch_redacts_secrets_and_reports_it(tmp_path: Path) -> None:
    place = Workplace(
        tmp_path / "run",
        line("a"),
        {"a": writing({"env": "token=hush-hush-hush\n", "raw": b"\xff hush-hush-hush\n"})},
    )
    place.redactor = Redactor(["hush-hush-hush"])
    asyncio.run(walked(place, tmp_path))
    patch = (place.root / "a" / "diff.patch").read_bytes()
    assert b"hush-hush" not in patch
    assert b"+token=***" in patch
    assert b"\xff ***" in patch
    assert patch.startswith(b"Secrets are replaced by ***")
    applied = subprocess.run(["git", "apply"], input=patch, cwd=tmp_path, check=False)
    assert applied.returncode != 0
    assert not (tmp_path / "env").exists()


async def changed_by(
    below: Path, files: Files, *, most: int
) -> tuple[TrackedFolder, TreeId, Patch]:
    workspace = await Project.made(below).workspace()
    write(workspace.folder, files)
    tree = await workspace.snapshot("big")
    return workspace, tree, await make_patch(workspace, workspace.base.candidate, tree, most=most)


BIG: Files = {
    "a": "a\n",
    "blob": b"\0" + bytes(range(256)) * 100,
    "c": "c\n",
    'd "d"': "d\n",
    "long": "line\n" * 5000,
    "z": "z\n",
}


def test_long_patch_has_some_files_and_names_the_others(tmp_path: Path) -> None:
    workspace, _, patch = asyncio.run(changed_by(tmp_path, BIG, most=2000))
    assert patch.left_out == ("blob", "long", "z")
    content = redact_patch(patch, Redactor()).content
    assert content.startswith(b"Left out, because the patch would be too large: 3 changed files.\n")
    assert len(patch.content) <= 2000
    copy = tmp_path / "copy"
    asyncio.run(workspace.export(workspace.base.candidate, copy))
    git(copy, "init", "--quiet")
    (tmp_path / "patch").write_bytes(content)
    git(copy, "apply", str(tmp_path / "patch"))
    expected = {name: one for name, one in BIG.items() if name not in patch.left_out}
    assert {name: contents(copy)[name].decode() for name in expected} == expected
    assert not (copy / "long").exists()


def test_binary_content_is_left_out_first(tmp_path: Path) -> None:
    files: Files = {"a blob": os_random(), "z": "z\n"}
    _, _, patch = asyncio.run(changed_by(tmp_path, files, most=20_000))
    assert patch.left_out == ("a blob",)
    assert b"+z\n" in patch.content


def os_random() -> bytes:
    """Return bytes that cannot be compressed, the same in every run."""
    state, made = 1, bytearray(b"\0")
    for _ in range(40_000):
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        made.append(state >> 16 & 0xFF)
    return bytes(made)


def test_many_names_are_counted() -> None:
    names = tuple(f"file{number}" for number in range(60))
    found = redact_patch(Patch(b"", names), Redactor()).content.decode()
    assert "60 changed files" in found
    assert "and 10 more" in found
    assert "file59" not in found


class EndlessDiff(NoWorkspace):
    """A workspace with a changed file, whose diff never ends."""

    async def snapshot(self, subject: str) -> TreeId:
        return subject

    async def changed(self, since: TreeId, until: TreeId) -> list[str]:
        return ["file"]

    async def diff(self, since: TreeId, until: TreeId, *, most: int, binary: bool = True) -> bytes:
        await asyncio.Event().wait()
        return b""


def test_a_patch_that_lasts_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "MAX_PATCH_S", 0.01)
    place = Workplace(tmp_path / "run", line("a", "b"))
    place.workspace = EndlessDiff()
    assert place.run().exit_code == 0
    [event] = [one for one in place.events("PatchLeftOut") if one.node == "b"]
    assert (event.data["count"], event.data["paths"]) == (1, ["file"])


class BrokenGit(EndlessDiff):
    """A workspace whose git fails."""

    async def diff(self, since: TreeId, until: TreeId, *, most: int, binary: bool = True) -> bytes:
        raise GitFailed("git is out of order")


def test_git_error_does_not_stop_the_run(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a", "b"))
    place.workspace = BrokenGit()
    assert place.run().exit_code == 0
    [event] = [one for one in place.events("PatchLeftOut") if one.node == "b"]
    assert "git is out of order" in str(event.data["why"])
