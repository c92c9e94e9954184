"""The agentic loop: ask the model, execute what it calls, until it is done (§2.5)."""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from functools import partial

from attractor.agent.conversation import Conversation
from attractor.agent.events import EventKind
from attractor.agent.loop_detection import detect_loop, loop_warning
from attractor.agent.tool_execution import execute_tool_calls
from attractor.agent.turns import (
    AssistantTurn,
    SteeringTurn,
    ToolResultsTurn,
    UserTurn,
    convert_history_to_messages,
    tool_call_signatures,
)
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.llm.errors import SDKError
from attractor.llm.messages import Message
from attractor.llm.request import Request
from attractor.llm.response import Response, Usage
from attractor.llm.retry_policy import retry
from attractor.llm.tools import ToolCall, ToolChoice


class Stop(StrEnum):
    """Why the loop stopped (§2.8)."""

    COMPLETED = "completed"
    ROUND_LIMIT = "round_limit"
    TURN_LIMIT = "turn_limit"
    ABORTED = "aborted"


@dataclass(frozen=True)
class Ending:
    """How an input was dealt with, and the model's last words."""

    stop: Stop
    text: str


async def process_input(conversation: Conversation, user_input: str) -> Ending:
    """Work on an input, and on those that were to follow it."""
    ending = await _process_one(conversation, user_input)
    while conversation.followups:
        ending = await _process_one(conversation, conversation.followups.popleft())
    return ending


def last_text(conversation: Conversation) -> str:
    """Return what the model said last."""
    turns = reversed(conversation.history)
    return next((turn.content for turn in turns if isinstance(turn, AssistantTurn)), "")


async def _process_one(conversation: Conversation, user_input: str) -> Ending:
    conversation.add(UserTurn(user_input, conversation.clock.now()))
    conversation.emit(EventKind.USER_INPUT, content=user_input)
    conversation.drain_steering()
    rounds = 0
    while (limit := _reached_limit(conversation, rounds)) is None:
        answer = await _ask(conversation)
        if answer.tool_calls:
            rounds += 1
            await _do_round(conversation, answer.tool_calls)
        # What was said during the last answer would be lost if the loop ended here.
        elif not conversation.drain_steering():
            return Ending(Stop.COMPLETED, answer.content)
    return Ending(limit, last_text(conversation))


def _reached_limit(conversation: Conversation, rounds: int) -> Stop | None:
    config = conversation.config
    if 0 < config.max_tool_rounds_per_input <= rounds:
        conversation.emit(EventKind.TURN_LIMIT, round=rounds)
        return Stop.ROUND_LIMIT
    if 0 < config.max_turns <= conversation.turn_count:
        conversation.emit(EventKind.TURN_LIMIT, total_turns=conversation.turn_count)
        return Stop.TURN_LIMIT
    return None


async def _ask(conversation: Conversation) -> AssistantTurn:
    request = await _build_request(conversation)
    policy = replace(conversation.config.retry_policy, on_retry=partial(_tell_retry, conversation))
    conversation.emit(EventKind.ASSISTANT_TEXT_START)
    response = await retry(
        lambda: conversation.client.complete(request), policy=policy, clock=conversation.clock
    )
    turn = AssistantTurn.from_response(response, conversation.clock.now())
    conversation.add(turn)
    conversation.emit(
        EventKind.ASSISTANT_TEXT_END,
        text=turn.content,
        reasoning=turn.reasoning,
        usage=_usage_record(turn.usage),
    )
    _tell_warnings(conversation, response)
    return turn


async def _build_request(conversation: Conversation) -> Request:
    profile = conversation.profile
    prompt = Message.system(await conversation.system_prompt())
    tools = profile.tools()
    return Request(
        model=profile.model,
        messages=[prompt, *convert_history_to_messages(conversation.history)],
        provider=profile.id,
        tools=tools,
        tool_choice=ToolChoice("auto") if tools else None,
        reasoning_effort=conversation.config.reasoning_effort,
        provider_options=profile.provider_options(),
    )


async def _do_round(conversation: Conversation, calls: Sequence[ToolCall]) -> None:
    results = await execute_tool_calls(conversation, calls)
    conversation.add(ToolResultsTurn(tuple(results), conversation.clock.now()))
    conversation.drain_steering()
    if conversation.config.enable_loop_detection:
        _warn_of_loop(conversation)


def _warn_of_loop(conversation: Conversation) -> None:
    window = conversation.config.loop_detection_window
    signatures = tool_call_signatures(conversation.history, last=window)
    if detect_loop(signatures, window):
        warning = loop_warning(window)
        conversation.add(SteeringTurn(warning, conversation.clock.now()))
        conversation.emit(EventKind.LOOP_DETECTION, message=warning)


def _tell_retry(conversation: Conversation, error: SDKError, attempt: int, delay: float) -> None:
    message = f"try {attempt} failed ({error.message}); the next one is in {delay:g} s"
    conversation.emit(EventKind.WARNING, message=message)


def _tell_warnings(conversation: Conversation, response: Response) -> None:
    for warning in response.warnings:
        # Most of them come again with every call.
        conversation.warn_once(warning.message, warning.message)
    if response.finish_reason.reason == "length":
        conversation.emit(EventKind.WARNING, message="The answer was cut at its maximum length")


def _usage_record(usage: Usage) -> dict[str, Json]:
    return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
