from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from attractor.agent.conversation.compaction import describe_turns, first_kept
from attractor.agent.conversation.session import Session
from attractor.agent.conversation.turns import (
    AssistantTurn,
    SummaryTurn,
    ToolResultsTurn,
    Turn,
    UserTurn,
    size_of,
    visible_turns,
)
from attractor.agent.errors import SummaryMissing
from attractor.agent.events import EventKind, SessionConfig, SessionEvent
from attractor.agent.provider_profile import create_profile
from attractor.llm.errors import ContextLengthError
from attractor.llm.messages import Message, Role
from attractor.llm.request import ToolResult
from attractor.llm.response import FinishReason, Response, Usage
from tests.agent.places import finish, local
from tests.agent.scripted import ScriptedProvider, Step, call, said

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def answered(message: Message) -> AssistantTurn:
    response = Response("r", "m", "p", message, FinishReason("stop"), Usage())
    return AssistantTurn.from_response(response, NOW)


def rounds(*sizes: int) -> list[Turn]:
    history: list[Turn] = [UserTurn("The task", NOW)]
    for size in sizes:
        history.append(answered(call("shell", command="x")))
        history.append(ToolResultsTurn((ToolResult("call_1", "r" * size),), NOW))
    return history


@given(st.lists(st.integers(0, 300), min_size=1, max_size=8), st.integers(1, 600))
def test_kept_turns_begin_with_a_call_and_fit(sizes: list[int], longest: int) -> None:
    history = rounds(*sizes)
    begin = first_kept(history, longest)
    assert begin < len(history)
    assert not isinstance(history[begin], ToolResultsTurn)
    kept = sum(map(size_of, history[begin:]))
    assert kept <= longest or begin == len(history) - 2


@given(st.lists(st.integers(0, 5_000), min_size=1, max_size=30))
def test_description_is_bounded_and_has_both_ends(sizes: list[int]) -> None:
    text = describe_turns([*rounds(*sizes), UserTurn("The end", NOW)], 6_000)
    assert len(text) < 9_000
    assert text.startswith("[user]\nThe task")
    assert text.endswith("[user]\nThe end")


class CompactingSession:
    """A session with a small context window, so that it compacts its history."""

    def __init__(self, folder: Path, *steps: Step, window: int) -> None:
        self.provider = ScriptedProvider(*steps)
        profile = create_profile("openai", model="gpt-test")
        traits = replace(profile.traits, context_window_size=window)
        self.events: list[SessionEvent] = []
        self.session = Session(
            replace(profile, traits=traits),
            local(folder),
            client=self.provider.client(),
            config=SessionConfig(compacts=True),
            on_event=self.events.append,
        )


def test_full_history_is_replaced_by_a_summary(tmp_path: Path) -> None:
    (tmp_path / "big").write_text("line\n" * 200)
    reads = [call("read_file", file_path="big", limit=n) for n in (200, 199, 198)]
    played = CompactingSession(
        tmp_path, *reads, said("SUMMARY: read big"), said("Done."), window=1_500
    )
    assert finish(played.session.submit("The task")).text == "Done."
    (event,) = [one for one in played.events if one.kind is EventKind.COMPACTION]
    assert "SUMMARY: read big" in str(event.data["summary"])
    asked, last = played.provider.requests[-2:]
    assert "The task" in asked.messages[0].text
    assert not asked.tools
    assert "SUMMARY: read big" in last.messages[1].text
    assert [message.role for message in last.messages[-2:]] == [Role.ASSISTANT, Role.TOOL]
    # The history stays complete, so that the session can be restored.
    assert sum(isinstance(turn, AssistantTurn) for turn in played.session.history) == 4
    assert played.session.usage.input_tokens == 500


def test_second_summary_contains_the_first(tmp_path: Path) -> None:
    (tmp_path / "big").write_text("line\n" * 200)
    reads = [call("read_file", file_path="big", limit=n) for n in range(196, 201)]
    steps = [*reads[:3], said("SUMMARY ONE"), *reads[3:], said("SUMMARY TWO"), said("Done.")]
    played = CompactingSession(tmp_path, *steps, window=1_500)
    assert finish(played.session.submit("The task")).text == "Done."
    summaries = [turn for turn in played.session.history if isinstance(turn, SummaryTurn)]
    assert len(summaries) == 2
    assert "SUMMARY ONE" in played.provider.requests[-2].messages[0].text
    visible = visible_turns(played.session.history)
    assert [type(turn) for turn in visible].count(SummaryTurn) == 1


def test_overflow_that_the_provider_reports_is_compacted_once(tmp_path: Path) -> None:
    overflow = ContextLengthError("too long", provider="openai", status_code=400)
    steps = [call("glob", pattern="*"), overflow, said("SUMMARY"), said("Done.")]
    played = CompactingSession(tmp_path, *steps, window=1_000_000)
    assert finish(played.session.submit("The task")).text == "Done."
    again = CompactingSession(
        tmp_path, call("glob", pattern="*"), overflow, said("S"), overflow, window=1_000_000
    )
    with pytest.raises(ContextLengthError):
        finish(again.session.submit("The task"))


def test_empty_summary_of_a_full_window_is_an_error(tmp_path: Path) -> None:
    played = CompactingSession(
        tmp_path,
        call("glob", pattern="*"),
        ContextLengthError("too long", provider="openai", status_code=400),
        said(" "),
        window=1_000_000,
    )
    with pytest.raises(SummaryMissing):
        finish(played.session.submit("The task"))


def test_empty_summary_before_the_window_is_full_is_a_warning_and_is_paid_once(
    tmp_path: Path,
) -> None:
    (tmp_path / "big").write_text("line\n" * 200)
    reads = [call("read_file", file_path="big", limit=n) for n in (200, 199, 198)]
    more = call("glob", pattern="*")
    played = CompactingSession(tmp_path, *reads, said(""), more, said("Done."), window=1_500)
    assert finish(played.session.submit("The task")).text == "Done."
    warnings = [event.data for event in played.events if event.kind is EventKind.WARNING]
    assert {"message": "the model returned no summary of the conversation"} in warnings
