import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.agent.conversation.turns import (
    AssistantTurn,
    SteeringTurn,
    ToolResultsTurn,
    Turn,
    UserTurn,
    size_of,
)
from attractor.agent.events import SessionConfig
from attractor.backends.agent import Agent
from attractor.backends.agent_conversations import (
    CONVERSATION,
    StoredConversation,
    as_texts,
    rebuild,
    shorten_turns,
    without_loose_end,
)
from attractor.backends.models import AgentParts
from attractor.backends.registry import BackendParts
from attractor.base.errors import FileError
from attractor.engine.errors import ConversationLost
from attractor.engine.outcome import Outcome, Usage
from attractor.engine.prompts.inherited_context import InheritedContext, Thread
from attractor.engine.prompts.preamble import Past, PreambleInput, StageNote
from attractor.engine.seams import ModelAnswer, Stage
from attractor.language.graph.graph import Fidelity
from attractor.llm.errors import ContextLengthError, InvalidRequestError
from attractor.llm.messages import Message, Role
from attractor.llm.request import ToolCall, ToolResult
from attractor.llm.response import Usage as Tokens
from attractor.llm.retry_policy import RetryPolicy
from tests.agent.places import finish, local
from tests.agent.scripted import ScriptedProvider, Step, call, called, calls, said
from tests.handlers.stages import KeptFiles, Play, graph, node
from tests.tables import table

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NO_WAITS = SessionConfig(retry_policy=RetryPolicy(max_retries=0))
DONE = calls(called("report_outcome", {"outcome": "success"}))
ALL = Past((StageNote("plan", 1, "success", "planned"),), {"success": 1})


class Talk:
    """Stages of one thread, run one after the other by the agent backend."""

    def __init__(self, folder: Path, *steps: Step, provider: str = "openai") -> None:
        self.folder = folder
        self.provider = ScriptedProvider(*steps, name=provider)
        parts = AgentParts(
            client=self.provider.client(), model="gpt-test", provider=provider, config=NO_WAITS
        )
        self.backend = Agent(BackendParts(agent=parts))
        self.thread = Thread("main")
        self.plays: list[Play] = []

    def stage(self, at: str, prompt: str, *, model: str = "") -> Outcome:
        stage = self.play(at, model)
        outcome = finish(self.backend.run(stage, prompt))
        assert isinstance(outcome, Outcome)
        return outcome

    def answer(self, at: str, prompt: str) -> ModelAnswer:
        answered = finish(self.backend.answer(self.play(at, ""), prompt))
        assert isinstance(answered, ModelAnswer)
        return answered

    def play(self, at: str, model: str) -> Stage:
        written = {"llm_model": model} if model else {}
        play = Play(graph(node(at, **written)), at, environment=local(self.folder))
        self.plays.append(play)
        carried = InheritedContext(Fidelity.FULL, self.thread, PreambleInput("g", "r", ALL, {}))
        return replace(play.stage, inherited=carried)

    def texts(self, number: int) -> list[str]:
        """Return the texts of a request to the model, without its instructions."""
        messages = self.provider.requests[number].messages[1:]
        return [one.text for one in messages if one.text]

    def roles(self, number: int) -> list[Role]:
        return [one.role for one in self.provider.requests[number].messages]

    def events(self, kind: str) -> list[object]:
        return [data for play in self.plays for found, data in play.events.all if found == kind]


def test_stages_of_one_thread_share_the_conversation(tmp_path: Path) -> None:
    talk = Talk(
        tmp_path,
        call("write_file", file_path="a", content="x"),
        DONE,
        said("I wrote a."),
        DONE,
        said("ok"),
    )
    talk.stage("write", "Write a")
    outcome = talk.stage("check", "Check it")
    assert talk.texts(3)[:1] == ["Write a"]
    assert talk.texts(3)[-2:] == ["I wrote a.", "Check it"]
    assert Role.TOOL in talk.roles(3)
    # The usage of the stage before is not counted again.
    assert outcome.usage == Usage(200, 20, unpriced_tokens=220)
    assert talk.events("ThreadContinued") == [{"thread": "main", "stages": 1, "last": "write@1.1"}]


def test_without_a_thread_each_stage_begins_anew(tmp_path: Path) -> None:
    talk = Talk(tmp_path, DONE, said("one"), DONE, said("two"))
    for at in ("one", "two"):
        play = Play(graph(node(at)), at, environment=local(tmp_path))
        finish(talk.backend.run(play.stage, f"Do {at}"))
    assert talk.texts(2) == ["Do two"]


def test_a_failed_call_leaves_no_loose_end(tmp_path: Path) -> None:
    broken = InvalidRequestError("down", provider="openai", status_code=500)
    talk = Talk(tmp_path, DONE, said("one"), broken, DONE, said("three"))
    talk.stage("one", "Do one")
    assert "InvalidRequestError" in talk.stage("two", "Do two").failure_reason
    talk.stage("three", "Do three")
    assert "Do two" not in talk.texts(3)
    assert talk.texts(3)[-1] == "Do three"


def test_another_model_continues_with_texts_only(tmp_path: Path) -> None:
    talk = Talk(tmp_path, DONE, said("I planned."), DONE, said("ok"))
    talk.stage("plan", "Plan it")
    talk.stage("check", "Check it", model="gpt-other")
    assert talk.texts(2) == ["Plan it", "I planned.", "Check it"]
    assert Role.TOOL not in talk.roles(2)


def test_answer_without_tools_adds_texts_only(tmp_path: Path) -> None:
    talk = Talk(tmp_path, DONE, said("I planned."), said("Blue."), DONE, said("ok"))
    talk.stage("plan", "Plan it")
    assert talk.answer("ask", "Which colour?").text == "Blue."
    first, second, third = talk.provider.requests[2].messages
    assert [first.text, second.text, third.text] == ["Plan it", "I planned.", "Which colour?"]
    talk.stage("paint", "Paint it")
    assert talk.texts(3)[-3:] == ["Which colour?", "Blue.", "Paint it"]
    assert Role.TOOL in talk.roles(3)


def test_a_conversation_too_long_for_the_window_is_shortened(tmp_path: Path) -> None:
    words = "x" * 250_000
    talk = Talk(tmp_path, *[DONE, said(words)] * 3, provider="anthropic")
    for number in range(3):
        talk.stage(f"n{number}", f"Do {number}")
    assert talk.events("ThreadShortened")
    found = talk.texts(4)
    assert "The earlier part of this conversation was omitted" in found[0]
    assert "- plan (success): planned" in found[0]
    assert found[-1] == "Do 2"


def user(text: str) -> Turn:
    return UserTurn(text, NOW)


def assistant_turn(text: str, *ids: str) -> Turn:
    made = [ToolCall(id_, "shell", {}) for id_ in ids]
    return AssistantTurn(text, made, None, Tokens(), "r", Message.assistant(text), NOW)


def results(*ids: str) -> Turn:
    return ToolResultsTurn([ToolResult(id_, "out") for id_ in ids], NOW)


def test_calls_are_reduced_to_text() -> None:
    turns = [
        user("a"),
        assistant_turn("first", "1"),
        results("1"),
        assistant_turn("", "2"),
        results("2"),
        assistant_turn("last"),
    ]
    texts = as_texts([*turns, user("b")])
    assert [getattr(one, "content", None) for one in texts] == ["a", "first\n\nlast", "b"]


@table("longest", [0, 30, 60, 90, 120, 1000])
def test_a_cut_leaves_every_call_its_result(longest: int) -> None:
    turns: Sequence[Turn] = [
        one
        for number in range(5)
        for one in (
            user(f"ask {number}"),
            assistant_turn("", f"c{number}"),
            results(f"c{number}"),
            assistant_turn("so"),
        )
    ]
    kept = shorten_turns(turns, longest, "sum")
    called_ids = {
        call.id for one in kept if isinstance(one, AssistantTurn) for call in one.tool_calls
    }
    answered = {
        one.tool_call_id
        for turn in kept
        if isinstance(turn, ToolResultsTurn)
        for one in turn.results
    }
    assert called_ids == answered
    assert isinstance(kept[0], UserTurn)
    if longest >= sum(map(size_of, turns)):
        assert kept is turns
    else:
        assert "omitted" in kept[0].content
        assert "sum" in kept[0].content


def test_a_loose_end_is_cut_off() -> None:
    whole = (user("a"), assistant_turn("", "1"), results("1"))
    assert without_loose_end([*whole, assistant_turn("", "2")]) == whole
    assert without_loose_end([*whole, user("b"), SteeringTurn("c", NOW)]) == whole
    assert without_loose_end([user("a")]) == ()


Kept = dict[str, str]
WORK = (call("write_file", file_path="a", content="x"), DONE, said("I wrote a."))


def conversation_files(talk: Talk) -> Kept:
    """Return the conversation file of each stage, by stage id."""
    return {one.stage.id: one.files.texts.get(CONVERSATION, "") for one in talk.plays}


def reader(kept: Mapping[str, str]) -> Callable[[str, str], bytes]:
    def read(stage: str, name: str) -> bytes:
        if name != CONVERSATION or stage not in kept:
            raise ConversationLost(f"no {stage}")
        return kept[stage].encode()

    return read


def thread_conversation(talk: Talk) -> StoredConversation:
    spoken = talk.thread.recall()
    assert isinstance(spoken, StoredConversation)
    return spoken


def require_same(talk: Talk, last: str) -> None:
    """Require that the conversation on disk equals the conversation in memory."""
    here, there = thread_conversation(talk), rebuild(last, reader(conversation_files(talk)))
    assert [*there.turns] == [*here.turns]
    assert (there.model, there.stages, there.last) == (here.model, here.stages, here.last)
    assert there.is_restored


def test_a_conversation_over_stages_comes_back(tmp_path: Path) -> None:
    talk = Talk(tmp_path, *WORK, DONE, said("ok"), said("Three."))
    talk.stage("write", "Write a")
    talk.stage("check", "Check it")
    talk.answer("count", "How many?")
    require_same(talk, "count@1.1")
    # Each stage writes its own turns only.
    assert "Write a" not in conversation_files(talk)["check@1.1"]


def test_conversation_of_two_models_is_rebuilt(tmp_path: Path) -> None:
    talk = Talk(tmp_path, *WORK, DONE, said("ok"))
    talk.stage("write", "Write a")
    talk.stage("check", "Check it", model="another")
    require_same(talk, "check@1.1")


def test_a_shortened_conversation_comes_back_short(tmp_path: Path) -> None:
    long = "x" * 2_500_000
    talk = Talk(tmp_path, DONE, said(long), DONE, said("two"), DONE, said("three"))
    for at in ("one", "two", "three"):
        talk.stage(at, f"Do {at}")
    assert talk.events("ThreadShortened")
    require_same(talk, "three@1.1")


def test_unanswered_turns_are_not_rebuilt(tmp_path: Path) -> None:
    broken = InvalidRequestError("down", provider="openai", status_code=500)
    talk = Talk(tmp_path, DONE, said("one"), broken)
    talk.stage("one", "Do one")
    talk.stage("two", "Do two")
    require_same(talk, "two@1.1")


def test_stage_continues_a_rebuilt_conversation(tmp_path: Path) -> None:
    talk = Talk(tmp_path, *WORK, DONE, said("ok"), DONE, said("yes"))
    talk.stage("write", "Write a")
    talk.thread.restore(rebuild("write@1.1", reader(conversation_files(talk))))
    talk.stage("check", "Check it")
    assert talk.events("ThreadRestored") == [{"thread": "main", "stages": 1, "last": "write@1.1"}]
    assert talk.texts(3)[-2:] == ["I wrote a.", "Check it"]
    require_same(talk, "check@1.1")
    talk.stage("again", "Again")
    assert talk.events("ThreadContinued")[-1] == {
        "thread": "main",
        "stages": 2,
        "last": "check@1.1",
    }


def test_turns_that_a_summary_keeps_are_continued_and_rebuilt(tmp_path: Path) -> None:
    full = ContextLengthError("too long", provider="openai", status_code=400)
    report = calls(called("report_outcome", {"outcome": "success"}), text="I report.")
    talk = Talk(tmp_path, WORK[0], report, full, said("SUMMARY"), said("Bye."), DONE, said("ok"))
    talk.stage("write", "Write a")
    require_same(talk, "write@1.1")
    talk.stage("check", "Check it", model="gpt-other")
    summary, *others = talk.texts(5)
    assert "SUMMARY" in summary
    assert others == ["I report.\n\nBye.", "Check it"]
    require_same(talk, "check@1.1")


def test_a_stage_without_a_thread_keeps_none(tmp_path: Path) -> None:
    talk = Talk(tmp_path, DONE, said("ok"))
    play = Play(graph(node("one")), "one", environment=local(tmp_path))
    finish(talk.backend.run(play.stage, "Do it"))
    assert "transcript.jsonl" in play.files.texts
    assert CONVERSATION not in play.files.texts


class FullDisk(KeptFiles):
    def append(self, name: str, line: str) -> None:
        if name == CONVERSATION and '"kind": "end"' in line:
            raise FileError("the disk is full")
        super().append(name, line)


def test_session_ends_although_its_conversation_cannot_be_stored(tmp_path: Path) -> None:
    talk = Talk(tmp_path, DONE, said("ok"))
    stage = replace(talk.play("a", ""), files=FullDisk())
    with pytest.raises(FileError, match="full"):
        finish(talk.backend.run(stage, "Go"))
    assert talk.plays[0].events.kinds[-1] == "SESSION_END"


def lines_of(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def text_of(lines: list[dict[str, object]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


SPOILS: Sequence[Callable[[str], str]] = [
    lambda text: "",
    lambda text: text.partition("\n")[0],
    lambda text: text[:-40] + "\n",
    lambda text: text[:400] + "\n" + text[400:-1],
    lambda text: text_of(lines_of(text)[1:]),
    lambda text: text_of([*lines_of(text)[:2], *lines_of(text)[3:]]),
    lambda text: text_of([{**lines_of(text)[0], "stage": "b@1.1"}, *lines_of(text)[1:]]),
    lambda text: text_of([{**lines_of(text)[0], "after": "a@1.1"}, *lines_of(text)[1:]]),
    lambda text: text_of([{**lines_of(text)[0], "taken": 3}, *lines_of(text)[1:]]),
    lambda text: text_of([{**lines_of(text)[0], "put_before": 99}, *lines_of(text)[1:]]),
    lambda text: text_of([{**lines_of(text)[0], "model": None}, *lines_of(text)[1:]]),
    lambda text: text.replace('"turn"', '"torn"'),
    lambda text: text + "[full: what came after was left out]\n",
]


@table("spoil", SPOILS)
def test_incomplete_conversation_is_refused(tmp_path: Path, spoil: Callable[[str], str]) -> None:
    talk = Talk(tmp_path, *WORK)
    talk.stage("a", "Write a")
    kept = conversation_files(talk)
    kept["a@1.1"] = spoil(kept["a@1.1"])
    with pytest.raises(ConversationLost):
        rebuild("a@1.1", reader(kept))


CUTS: Sequence[Callable[[str], str]] = [
    lambda text: text[:-1],
    lambda text: text_of(lines_of(text)[:-1]),
    lambda text: text_of(lines_of(text)[:-1]) + '{"turn": "user", "content": "And',
    lambda text: text_of(
        [
            *lines_of(text)[:-1],
            {"turn": "user", "content": "?", "timestamp": "2026-01-01T00:00:00+00:00"},
        ]
    ),
]


@table("cut", CUTS)
def test_conversation_of_a_killed_process_counts_up_to_its_last_whole_turn(
    tmp_path: Path, cut: Callable[[str], str]
) -> None:
    talk = Talk(tmp_path, *WORK)
    talk.stage("a", "Write a")
    kept = conversation_files(talk)
    whole = rebuild("a@1.1", reader(kept))
    kept["a@1.1"] = cut(kept["a@1.1"])
    assert rebuild("a@1.1", reader(kept)) == whole


def test_a_conversation_whose_beginning_is_lost_is_lost(tmp_path: Path) -> None:
    talk = Talk(tmp_path, *WORK, DONE, said("ok"))
    talk.stage("a", "Write a")
    talk.stage("b", "Check it")
    kept = conversation_files(talk)
    del kept["a@1.1"]
    with pytest.raises(ConversationLost, match="a@1"):
        rebuild("b@1.1", reader(kept))


def test_stage_without_answers_saves_no_conversation(tmp_path: Path) -> None:
    steps: list[Step] = [InvalidRequestError("down", provider="openai", status_code=500)]
    talk = Talk(tmp_path, *steps)
    talk.stage("a", "Do it")
    with pytest.raises(ConversationLost, match="no stored conversation"):
        rebuild("a@1.1", reader(conversation_files(talk)))


def test_turns_are_whole_with_all_signs_that_end_lines(tmp_path: Path) -> None:
    odd = "one\u2028two\x0bthree\x85four\r\nfive"
    talk = Talk(tmp_path, said(odd), said(odd))
    talk.answer("a", odd)
    turns: list[Turn] = [*rebuild("a@1.1", reader(conversation_files(talk))).turns]
    assert isinstance(turns[0], UserTurn)
    assert isinstance(turns[1], AssistantTurn)
    assert [turns[0].content, turns[1].content] == [odd, odd]
