from hypothesis import given
from hypothesis import strategies as st

from attractor.twins.conversation import Conversation, Speaker, Turn, count_tokens, join_turns

speakers = st.sampled_from(Speaker)
turns = st.lists(st.builds(Turn, speakers, st.text(max_size=5)))

TALK = Conversation(
    "openai",
    "gpt-5",
    "Be brief.",
    [
        Turn(Speaker.USER, "look"),
        Turn(Speaker.ASSISTANT, "shell()"),
        Turn(Speaker.TOOL, "old"),
        Turn(Speaker.ASSISTANT, "shell()"),
        Turn(Speaker.TOOL, "new"),
        Turn(Speaker.USER, "hurry"),
    ],
)


def test_a_script_sees_scene_step_and_newest_results() -> None:
    assert (TALK.first_user, TALK.last_user, TALK.step) == ("look", "hurry", 2)
    assert TALK.tool_result == "new"
    assert TALK.words.splitlines()[:2] == ["Be brief.", "look"]


def test_results_older_than_the_models_last_turn_are_past() -> None:
    later = Conversation("openai", "gpt-5", turns=[*TALK.turns, Turn(Speaker.ASSISTANT, "done")])
    assert (later.tool_result, later.step) == ("", 3)


def test_an_empty_conversation_has_nothing_to_see() -> None:
    empty = Conversation("openai", "gpt-5")
    assert (empty.first_user, empty.last_user, empty.tool_result) == ("", "", "")
    assert (empty.step, empty.tokens) == (0, 0)


def test_what_one_speaker_said_in_a_row_is_one_turn() -> None:
    said = [
        Turn(Speaker.ASSISTANT, "a"),
        Turn(Speaker.ASSISTANT, ""),
        Turn(Speaker.ASSISTANT, "b"),
        Turn(Speaker.TOOL, "c"),
    ]
    assert join_turns(said) == [Turn(Speaker.ASSISTANT, "a\nb"), Turn(Speaker.TOOL, "c")]


@given(turns, st.integers(0, 9))
def test_how_a_wire_cuts_turns_up_makes_no_difference(said: list[Turn], cut: int) -> None:
    joined = join_turns(said)
    assert join_turns([*join_turns(said[:cut]), *said[cut:]]) == joined
    assert all(one.speaker != other.speaker for one, other in zip(joined, joined[1:], strict=False))


def test_four_letters_are_about_a_token() -> None:
    assert [count_tokens("x" * length) for length in (0, 1, 4, 5)] == [0, 1, 1, 2]
