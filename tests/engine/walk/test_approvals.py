"""A person is asked about a tool call: each answer counts once, for this call only."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from attractor.base.clock import ManualClock
from attractor.base.errors import UsageError
from attractor.base.json import canonical_json
from attractor.engine.interviews import AnsweredFirst, RunQuestions
from attractor.engine.journal.events import Action
from attractor.engine.outcome import Outcome, success
from attractor.engine.questions.call_rules import AskedCall, CallPermissions, PermissionMode
from attractor.engine.questions.question import (
    AUTO_APPROVED,
    TERMINAL,
    Answer,
    AnswerKind,
    Interviewer,
    Question,
    ask_each,
    describe_asked_call,
    read_answer,
    require_answer,
)
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.run_folder.result import RunResult
from attractor.engine.runner import Runner
from attractor.engine.seams import WITHDRAWN, Parked, Stage, Verdict
from attractor.interviewers.auto_approve import AutoApprove
from attractor.interviewers.park import Park
from attractor.interviewers.registry import InterviewerParts
from tests.engine.graphs import line
from tests.engine.runs import Workplace, read_events

PUSH = AskedCall("shell", {"command": "git push"}, "/w")
LONG = AskedCall("shell", {"command": "x" * 30_000}, "/w")
UNUSED = cast(InterviewerParts, None)


class Says:
    """A person at a terminal, or somebody else, who gives these answers."""

    def __init__(self, *answers: str, proof: str = TERMINAL) -> None:
        self.answers = [*answers]
        self.proof = proof
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        if not self.answers:
            raise Parked(question)
        read = read_answer(self.answers.pop(0), question, by="ann")
        return replace(read, proof=self.proof) if read else Answer(AnswerKind.SKIPPED)

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None: ...


class Place(Workplace):
    """A run whose stage makes tool calls, if it may."""

    def __init__(self, root: Path, *calls: AskedCall) -> None:
        super().__init__(root, line("work"), {"work": self.work})
        self.clock = self.time = ManualClock()
        self.calls = calls
        self.verdicts: list[Verdict] = []
        self.news: list[str] = []
        self.asker: Interviewer = Says()

    async def work(self, stage: Stage) -> Outcome:
        assert stage.approvals
        self.news.append(stage.approvals.news())
        for call in self.calls:
            self.verdicts.append(await stage.approvals.ask(call))
        return success()

    def runner(self, run: OpenRun, *, content_hash: str = "") -> Runner:
        return Runner(
            self.graph,
            run,
            handlers=self.handlers,
            workspace=self.workspace,
            interviewer=AnsweredFirst(self.asker, RunQuestions(run), clock=self.clock),
            permissions=CallPermissions(PermissionMode.ASK),
        )

    async def walk(self) -> RunResult:
        walking = asyncio.create_task(super().walk())
        while not walking.done():
            await asyncio.sleep(0.001)
            await self.time.turn(timedelta(seconds=5))
        return walking.result()

    def run_with(self, asker: Interviewer) -> RunResult:
        self.asker = asker
        return self.run()

    def used(self) -> list[tuple[str, str]]:
        events = read_events(self.root)
        used = [one.data for one in events if one.type == "ApprovalUsed"]
        return [(str(one["choice"]), str(one["rule"])) for one in used]


def test_person_allows_or_refuses_with_words(tmp_path: Path) -> None:
    place = Place(tmp_path / "run", PUSH, PUSH)
    place.run_with(Says("allow", "deny use the other branch"))
    assert [one.is_allowed for one in place.verdicts] == [True, False]
    assert place.verdicts[1].words == "a person refused it: use the other branch"
    assert place.used() == [("allow", ""), ("deny", "")]


def test_always_is_a_rule_for_the_rest_of_the_run(tmp_path: Path) -> None:
    other = AskedCall("shell", {"command": "git pull"}, "/w")
    place = Place(tmp_path / "run", PUSH, PUSH, other, other)
    asker = Says("always", "always Bash(git *)")
    place.run_with(asker)
    assert all(one.is_allowed for one in place.verdicts)
    assert place.used() == [("always", "Bash(git push)"), ("always", "Bash(git *)")]
    assert len(asker.asked) == 2


@pytest.mark.parametrize(
    ("said", "words", "hint"),
    [
        (
            "always Bash(rm *)",
            "the rule 'Bash(rm *)' is not about this call",
            "always alone allows Bash(git push)",
        ),
        ("always Bash(git", "invalid rule about tool calls 'Bash(git'", "write the tool"),
        ("allow it", "the agent gets no words with a call that is allowed", "leave them out"),
    ],
)
def test_words_without_effect_are_refused(tmp_path: Path, said: str, words: str, hint: str) -> None:
    place = Place(tmp_path / "run", PUSH)
    place.run_with(asker := Says())
    with pytest.raises(UsageError, match=re.escape(words)) as refused:
        require_answer(said, asker.asked[0])
    assert refused.value.hint.startswith(hint)
    place.run_with(Gives("always Bash(rm *)"))
    assert place.verdicts[0].words.endswith("the rule 'Bash(rm *)' is not about this call")
    assert place.used() == [("deny", "")]


def test_another_command_is_run_instead(tmp_path: Path) -> None:
    place = Place(tmp_path / "run", replace(PUSH, is_editable=True))
    place.run_with(Says("edit git push --dry-run"))
    assert place.verdicts == [Verdict(True, command="git push --dry-run")]


@pytest.mark.parametrize("proof", ["unverified", "answers file", "mcp robot", AUTO_APPROVED])
def test_who_is_no_person_allows_nothing(tmp_path: Path, proof: str) -> None:
    place = Place(tmp_path / "run", PUSH)
    place.run_with(Says("allow", proof=proof))
    assert place.verdicts == [Verdict(False, "refused: no person answered")]
    assert place.used() == [("deny", "")]


def test_agent_hears_only_of_answers_of_persons(tmp_path: Path) -> None:
    place = Place(tmp_path / "run", PUSH)
    place.run_with(Says())
    [question] = _questions(place)
    leave_order(place.root / "inbox", Order(Action.ANSWER, "x", "", question, "allow"), name="A1")
    place.run_with(Says())
    assert place.news[1] == ""


@pytest.mark.parametrize("asker", [AutoApprove(UNUSED), Park(UNUSED)])
def test_run_parks_after_a_minute_and_the_answer_counts_once(
    tmp_path: Path, asker: Interviewer
) -> None:
    place = Place(tmp_path / "run", PUSH)
    parked = place.run_with(asker)
    assert str(parked.status) == "awaiting_human (stage)"
    assert place.clock.monotonic() >= 60
    [question] = _questions(place)
    order = Order(Action.ANSWER, "ann", question=question, value="allow", proof=TERMINAL)
    leave_order(place.root / "inbox", order, name="A1")
    place.calls = (PUSH, PUSH)
    place.run_with(Says("deny"))
    assert [one.is_allowed for one in place.verdicts] == [True, False]
    assert place.news[1] == 'A person allowed this call: shell {"command":"git push"}'


def test_answer_that_was_not_used_says_so(tmp_path: Path) -> None:
    place = Place(tmp_path / "run", PUSH)
    place.run_with(Says())
    [question] = _questions(place)
    order = Order(Action.ANSWER, "ann", question=question, value="allow", proof=TERMINAL)
    leave_order(place.root / "inbox", order, name="A1")
    place.calls = (AskedCall("shell", {"command": "git push --force"}, "/w"),)
    place.run_with(Says("deny"))
    assert place.used() == [("deny", ""), ("not used", "")]


def _questions(place: Place) -> list[str]:
    asked = [one.data["question"] for one in read_events(place.root) if one.type == "StageParked"]
    return [str(one["id"]) for one in asked if isinstance(one, dict)]


def test_command_that_was_not_offered_refuses(tmp_path: Path) -> None:
    place = Place(tmp_path / "run", PUSH)
    place.run_with(Says("allow"))
    place = Place(tmp_path / "other", PUSH)
    place.run_with(Gives("edit rm -rf /"))
    assert [one.is_allowed for one in place.verdicts] == [False]


class Gives(Says):
    """A person whose answer no interviewer has read."""

    async def ask(self, question: Question) -> Answer:
        return Answer(AnswerKind.GIVEN, self.answers.pop(0), "ann", proof=TERMINAL)


def test_equal_calls_at_once_are_answered_one_by_one(tmp_path: Path) -> None:
    class AtOnce(Place):
        async def work(self, stage: Stage) -> Outcome:
            assert stage.approvals
            asked = [stage.approvals.ask(call) for call in self.calls]
            self.verdicts += await asyncio.gather(*asked)
            return success()

    asker = Says("allow", "deny", "deny")
    place = AtOnce(tmp_path / "run", PUSH, PUSH, PUSH)
    place.run_with(asker)
    assert len({one.id for one in asker.asked}) == 3
    assert sorted(one.is_allowed for one in place.verdicts) == [False, False, True]


def test_question_that_the_agent_gave_up_is_closed(tmp_path: Path) -> None:
    class GivesUp(Place):
        async def work(self, stage: Stage) -> Outcome:
            assert stage.approvals
            asking = asyncio.create_task(stage.approvals.ask(PUSH))
            await asyncio.sleep(0.01)
            asking.cancel(WITHDRAWN)
            await asyncio.wait([asking])
            return success()

    class Silent(Says):
        async def ask(self, question: Question) -> Answer:
            return await asyncio.Future()

    place = GivesUp(tmp_path / "run")
    result = place.run_with(Silent())
    assert (result.outcome is not None, result.questions) == (True, ())
    assert place.used() == [("withdrawn", "")]


def test_input_that_changed_is_another_question(tmp_path: Path) -> None:
    changed = replace(LONG, arguments={"command": "x" * 29_999 + "y"})
    place = Place(tmp_path / "run", LONG, changed)
    asker = Says("allow", "deny")
    place.run_with(asker)
    assert len({one.id for one in asker.asked}) == 2
    assert all(re.search("-[0-9a-f]{64}$", one.id) for one in asker.asked)
    assert [one.is_allowed for one in place.verdicts] == [True, False]


def test_question_shows_the_call(tmp_path: Path) -> None:
    asker = Says("allow")
    change = {"file_path": "a", "old_string": "a", "new_string": "b"}
    call = AskedCall("Edit", change, "/w", why="it is wrong")
    Place(tmp_path / "run", call).run_with(asker)
    [question] = asker.asked
    assert describe_asked_call(question) == ["Edit in /w: it is wrong", "-a", "+b"]
    assert [one.key for one in question.options] == ["allow", "deny", "always"]


def test_question_shows_both_ends_of_a_call(tmp_path: Path) -> None:
    hiding = f"git push origin main{' ' * 400}; rm -rf ~\nmake {'x ' * 200}; rm -rf /"
    calls = (AskedCall("shell", {"command": hiding}, "/w"), LONG)
    Place(tmp_path / "run", *calls).run_with(asker := Says("deny", "deny"))
    short, long = asker.asked
    assert short.text.startswith(
        "May the agent do this? Bash: git push origin main … ; rm -rf ~ … m"
    )
    assert short.text.endswith("x ; rm -rf /")
    [always] = [one.label for one in short.options if one.key == "always"]
    assert always.endswith("; rm -rf /)")
    assert len(always) < 130
    assert describe_asked_call(short)[1:] == [canonical_json({"command": hiding})]
    assert describe_asked_call(long)[-1] == "10,015 characters more are not shown"
