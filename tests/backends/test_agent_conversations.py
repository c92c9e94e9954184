import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from attractor.agent.turns import AssistantTurn, Turn, UserTurn
from attractor.backends.agent_conversations import CONVERSATION, rebuild
from attractor.backends.agent_threads import Spoken
from attractor.engine.errors import ConversationLost
from attractor.llm.errors import ServerError
from tests.agent.places import finish, local
from tests.agent.scripted import Step, call, said
from tests.backends.test_agent_threads import DONE, Talk
from tests.handlers.stages import Play, graph, node

Kept = dict[str, str]
WORK = (call("write_file", file_path="a", content="x"), DONE, said("I wrote a."))


def kept_by(talk: Talk) -> Kept:
    """Return the conversations that the stages kept, by what they go by."""
    return {one.stage.id: one.files.texts.get(CONVERSATION, "") for one in talk.plays}


def reader(kept: Mapping[str, str]) -> Callable[[str, str], bytes]:
    def read(stage: str, name: str) -> bytes:
        if name != CONVERSATION or stage not in kept:
            raise ConversationLost(f"no {stage}")
        return kept[stage].encode()

    return read


def held(talk: Talk) -> Spoken:
    spoken = talk.thread.recall()
    assert isinstance(spoken, Spoken)
    return spoken


def require_same(talk: Talk, last: str) -> None:
    """Require that what is on the disk is what the process held."""
    here, there = held(talk), rebuild(last, reader(kept_by(talk)))
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
    assert "Write a" not in kept_by(talk)["check@1.1"]


def test_a_conversation_over_two_models_comes_back_as_it_was_told(tmp_path: Path) -> None:
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


def test_what_was_not_answered_is_no_part_of_it(tmp_path: Path) -> None:
    broken = ServerError("down", provider="openai", status_code=500)
    talk = Talk(tmp_path, DONE, said("one"), broken)
    talk.stage("one", "Do one")
    talk.stage("two", "Do two")
    require_same(talk, "two@1.1")


def test_a_stage_goes_on_with_a_conversation_that_was_rebuilt(tmp_path: Path) -> None:
    talk = Talk(tmp_path, *WORK, DONE, said("ok"), DONE, said("yes"))
    talk.stage("write", "Write a")
    talk.thread.give_back(rebuild("write@1.1", reader(kept_by(talk))))
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


def test_a_stage_without_a_thread_keeps_none(tmp_path: Path) -> None:
    talk = Talk(tmp_path, DONE, said("ok"))
    play = Play(graph(node("one")), "one", environment=local(tmp_path))
    finish(talk.backend.run(play.stage, "Do it"))
    assert "transcript.jsonl" in play.files.texts
    assert CONVERSATION not in play.files.texts


def lines_of(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def text_of(lines: list[dict[str, object]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


SPOILS: Sequence[Callable[[str], str]] = [
    lambda text: "",
    lambda text: text[:-1],
    lambda text: text[:-40] + "\n",
    lambda text: text_of(lines_of(text)[:-1]),
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


@pytest.mark.parametrize("spoil", SPOILS)
def test_what_is_not_whole_is_refused(tmp_path: Path, spoil: Callable[[str], str]) -> None:
    talk = Talk(tmp_path, *WORK)
    talk.stage("a", "Write a")
    kept = kept_by(talk)
    kept["a@1.1"] = spoil(kept["a@1.1"])
    with pytest.raises(ConversationLost):
        rebuild("a@1.1", reader(kept))


def test_a_conversation_whose_beginning_is_lost_is_lost(tmp_path: Path) -> None:
    talk = Talk(tmp_path, *WORK, DONE, said("ok"))
    talk.stage("a", "Write a")
    talk.stage("b", "Check it")
    kept = kept_by(talk)
    del kept["a@1.1"]
    with pytest.raises(ConversationLost, match="a@1"):
        rebuild("b@1.1", reader(kept))


def test_a_stage_that_said_nothing_leaves_no_conversation(tmp_path: Path) -> None:
    steps: list[Step] = [ServerError("down", provider="openai", status_code=500)]
    talk = Talk(tmp_path, *steps)
    talk.stage("a", "Do it")
    with pytest.raises(ConversationLost, match="nothing"):
        rebuild("a@1.1", reader(kept_by(talk)))


def test_turns_are_whole_with_all_signs_that_end_lines(tmp_path: Path) -> None:
    odd = "one\u2028two\x0bthree\x85four\r\nfive"
    talk = Talk(tmp_path, said(odd), said(odd))
    talk.answer("a", odd)
    turns: list[Turn] = [*rebuild("a@1.1", reader(kept_by(talk))).turns]
    assert isinstance(turns[0], UserTurn)
    assert isinstance(turns[1], AssistantTurn)
    assert [turns[0].content, turns[1].content] == [odd, odd]
