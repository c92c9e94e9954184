"""The agentic loop: call the model, execute its tool calls, detect repetition (§2.5, §2.10)."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from enum import StrEnum

from attractor.agent.conversation.compaction import compact
from attractor.agent.conversation.state import NEARLY_FULL, SessionConversation
from attractor.agent.conversation.turns import (
    AssistantTurn,
    SteeringTurn,
    ToolResultsTurn,
    UserTurn,
    convert_history_to_messages,
    tool_call_signatures,
)
from attractor.agent.events import EventEmitter, EventKind
from attractor.agent.tool_calls.execution import ToolRunner
from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.llm.client import Client
from attractor.llm.errors import ContentFilterError, ContextLengthError, ProviderError, SDKError
from attractor.llm.messages import Message
from attractor.llm.request import Request, ToolCall, ToolChoice, ToolResult
from attractor.llm.response import Response
from attractor.llm.retry_policy import RetryPolicy, retry
from attractor.llm.stream_events import StreamAccumulator, StreamEventType

_LENGTHS = (1, 2, 3)


def detect_loop(signatures: Sequence[str], window: int) -> bool:
    """Return whether the last calls repeat a pattern of one, two or three calls.

    The specification requires a window divisible by the pattern's length, so that the default
    window of ten never detects a pattern of three calls. Here the last repetition can be
    incomplete.
    """
    if len(signatures) < window:
        return False
    recent = signatures[-window:]
    lengths = [length for length in _LENGTHS if 2 * length <= window]
    return any(recent[length:] == recent[:-length] for length in lengths)


def loop_warning(window: int) -> str:
    """Return the message to the model."""
    return (
        f"Loop detected: the last {window} tool calls follow a repeating pattern. "
        "Try a different approach."
    )


class Stop(StrEnum):
    """Why the loop stopped (§2.8)."""

    COMPLETED = "completed"
    ROUND_LIMIT = "round_limit"
    TURN_LIMIT = "turn_limit"
    BUDGET = "budget"
    ABORTED = "aborted"


@dataclass(frozen=True)
class InputResult:
    """The reason why an input ended, and the last text of the model.

    `fault` is the reason why the last answer was interrupted before its first word, if it was.
    """

    stop: Stop
    text: str
    fault: str = ""


async def process_input(conversation: SessionConversation, user_input: str) -> InputResult:
    """Process an input and the follow-ups of the input.

    Follow-ups that are left after a limit wait, and come before the next input (§2.5).
    """
    while conversation.waiting:
        ending = await _process_one(conversation, conversation.waiting.popleft())
        # The limit of rounds is one of each input; after another limit, any input ends at once.
        if ending.stop not in (Stop.COMPLETED, Stop.ROUND_LIMIT):
            break
    ending = await _process_one(conversation, user_input)
    while conversation.followups and ending.stop is Stop.COMPLETED:
        ending = await _process_one(conversation, conversation.followups.popleft())
    conversation.waiting.extend(conversation.followups)
    conversation.followups.clear()
    return ending


def last_text(conversation: SessionConversation) -> str:
    """Return the last text of the model."""
    turns = reversed(conversation.history)
    return next((turn.content for turn in turns if isinstance(turn, AssistantTurn)), "")


def answer_open_calls(conversation: SessionConversation) -> None:
    """Give each tool call that was interrupted a result, without which no model goes on."""
    last = conversation.history[-1] if conversation.history else None
    if isinstance(last, AssistantTurn) and last.tool_calls:
        results = [ToolResult(call.id, "aborted", is_error=True) for call in last.tool_calls]
        conversation.add(ToolResultsTurn(tuple(results), conversation.clock.now()))


async def _process_one(conversation: SessionConversation, user_input: str) -> InputResult:
    conversation.add(UserTurn(user_input, conversation.clock.now()))
    conversation.emit(EventKind.USER_INPUT, content=user_input)
    conversation.drain_steering()
    rounds = 0
    while (limit := _reached_limit(conversation, rounds)) is None:
        answer = await _ask(conversation)
        if answer.tool_calls:
            rounds += 1
            await _do_round(conversation, answer.tool_calls)
        # Steering during the last answer would be lost if the loop ended here.
        elif not conversation.drain_steering():
            return InputResult(Stop.COMPLETED, answer.text, _fault_of(answer))
    return InputResult(limit, last_text(conversation))


def _reached_limit(conversation: SessionConversation, rounds: int) -> Stop | None:
    config = conversation.config
    waiting = len(conversation.waiting) + len(conversation.followups)
    followups: dict[str, Json] = {"waiting": waiting} if waiting else {}
    if 0 < config.max_tool_rounds_per_input <= rounds:
        conversation.emit(EventKind.TURN_LIMIT, round=rounds, **followups)
        return Stop.ROUND_LIMIT
    if 0 < config.max_turns <= conversation.turn_count:
        conversation.emit(EventKind.TURN_LIMIT, total_turns=conversation.turn_count, **followups)
        return Stop.TURN_LIMIT
    if spent := spent_budget(conversation):
        conversation.emit(EventKind.WARNING, message=f"the budget of the session is used: {spent}")
        return Stop.BUDGET
    return None


def spent_budget(conversation: SessionConversation) -> str:
    """Return which budget of the session, or of its parent, is used; empty if none is."""
    config, tokens = conversation.config, conversation.tokens
    if 0 < config.max_tokens <= tokens:
        return f"{tokens} of {config.max_tokens} tokens are used"
    if 0 < config.max_cost_usd <= conversation.cost_usd:
        return f"${conversation.cost_usd:.4f} of ${config.max_cost_usd:g} are spent"
    return conversation.spent_budget()


async def _ask(conversation: SessionConversation) -> Response:
    response = await _ask_with_compaction(conversation)
    conversation.add(AssistantTurn.from_response(response, conversation.clock.now()))
    report_answer(response, conversation.emit)
    if response.finish_reason.reason == "content_filter":
        # After another empty answer, the next input continues the conversation.
        require_answer(response)
    for warning in response.warnings:
        # Most warnings repeat with every call.
        conversation.warn_once(warning.message, warning.message)
    return response


async def _ask_with_compaction(conversation: SessionConversation) -> Response:
    """Call the model; compact the history before a full context window, if configured."""
    compacts = conversation.config.compacts
    if compacts and conversation.context_share > NEARLY_FULL:
        await compact(conversation)
    try:
        return await _call_model(conversation)
    except ContextLengthError:
        if not compacts or not await compact(conversation, is_overflow=True):
            raise
        return await _call_model(conversation)


async def _call_model(conversation: SessionConversation) -> Response:
    profile = conversation.profile
    prompt = Message.system(await conversation.system_prompt())
    tools = profile.tools()
    request = Request(
        model=profile.model,
        messages=[prompt, *convert_history_to_messages(conversation.history)],
        provider=profile.id,
        tools=tools,
        tool_choice=ToolChoice("auto") if tools else None,
        reasoning_effort=conversation.config.reasoning_effort,
        provider_options=profile.provider_options(),
    )
    return await call_model(
        conversation.client,
        request,
        policy=conversation.config.retry_policy,
        clock=conversation.clock,
        emit=conversation.emit,
        streams=profile.traits.supports_streaming,
    )


async def call_model(
    client: Client,
    request: Request,
    *,
    policy: RetryPolicy,
    clock: Clock,
    emit: EventEmitter,
    streams: bool,
) -> Response:
    """Return the answer of a model; emit its words as they arrive, and a warning for each retry."""

    def report_retry(error: SDKError, attempt: int, delay: float) -> None:
        message = f"attempt {attempt} failed ({error.message}); next attempt in {delay:g} s"
        emit(EventKind.WARNING, message=message)

    async def call() -> Response:
        emit(EventKind.ASSISTANT_TEXT_START)
        if not (streams and client.can_stream):
            return await client.complete(request)
        answer = StreamAccumulator()
        async with aclosing(client.stream(request)) as events:
            async for event in events:
                answer.process(event)
                if event.type == StreamEventType.TEXT_DELTA and event.delta:
                    emit(EventKind.ASSISTANT_TEXT_DELTA, delta=event.delta)
        return answer.response()

    # Tools run after the whole answer, so that a broken stream can be repeated without harm.
    return await retry(call, policy=replace(policy, on_retry=report_retry), clock=clock)


# Ends of answers that the model did not choose.
_INTERRUPTED: Mapping[str, str] = {
    "length": "the answer was truncated at its maximum length",
    "content_filter": "a safety filter of the provider interrupted the answer",
    "error": "the provider ended the answer with an error",
}


def report_answer(response: Response, emit: EventEmitter) -> None:
    """Emit the end of an answer, and a warning if the answer was interrupted."""
    used = response.usage
    emit(
        EventKind.ASSISTANT_TEXT_END,
        text=response.text,
        reasoning=response.reasoning,
        usage={"input_tokens": used.input_tokens, "output_tokens": used.output_tokens},
    )
    if why := _INTERRUPTED.get(response.finish_reason.reason):
        emit(EventKind.WARNING, message=why)


def require_answer(response: Response) -> None:
    """Raise an error if an answer was interrupted before its first text or tool call."""
    reason = response.finish_reason
    if fault := _fault_of(response):
        kind = ContentFilterError if reason.reason == "content_filter" else ProviderError
        raise kind(fault, provider=response.provider, error_code=reason.raw)


def _fault_of(response: Response) -> str:
    why = _INTERRUPTED.get(response.finish_reason.reason)
    if not why or response.text or response.tool_calls:
        return ""
    return f"empty answer of {response.provider}: {why}"


async def _do_round(conversation: SessionConversation, calls: Sequence[ToolCall]) -> None:
    traits = conversation.profile.traits
    runner = ToolRunner(
        tools=conversation.profile.tool_registry,
        environment=conversation.environment,
        config=conversation.config,
        hooks=conversation.hooks,
        emit=conversation.emit,
        state=conversation.tool_state,
        default_timeout_ms=traits.default_command_timeout_ms,
        requires_read_before_edit=traits.requires_read_before_edit,
        in_parallel=traits.supports_parallel_tool_calls,
    )
    results = await runner.execute(calls)
    conversation.add(ToolResultsTurn(tuple(results), conversation.clock.now()))
    conversation.drain_steering()
    if not conversation.config.enable_loop_detection:
        return
    window = conversation.config.loop_detection_window
    if detect_loop(tool_call_signatures(conversation.history, last=window), window):
        warning = loop_warning(window)
        conversation.add(SteeringTurn(warning, conversation.clock.now()))
        conversation.emit(EventKind.LOOP_DETECTION, message=warning)
