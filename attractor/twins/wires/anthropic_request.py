"""What Anthropic's Messages API takes, and what it refuses.

Which settings for thinking Anthropic's models take, and which they refuse.

A message of Anthropic's as the events of a stream.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Protocol, TypeAlias

from attractor.base.json import Json, JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.exchange.conversation import Turn, join_turns
from attractor.twins.exchange.wire import (
    ServerEvent,
    in_letters,
    in_words,
    json_text,
    record_at,
    records_at,
    text_at,
)
from attractor.twins.wires.anthropic_content import (
    FIELDS,
    FIELDS_TO_COUNT,
    ContentBlock,
    CountBody,
    MediaBlock,
    MessagesBody,
    SaidMessage,
    find_fault,
    find_mark_fault,
    join_messages,
    order_fault,
    read_turns,
)
from attractor.twins.wires.request_body import check_body, is_intact, seal, unknown_fields

_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d)(?:-(\d)(?!\d))?")
# Of a model that is nobody's everything is taken.
_UNKNOWN = (9, 9)
_MINIMUM = 1024
_NEARLY_ALL = 0.95
_FORCED = ("any", "tool")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_THOUGHTS = ("thinking", "redacted_thinking")


class Settings(Protocol):
    """What a request says beside its words."""

    model: str
    max_tokens: int
    temperature: float | None
    top_p: float | None
    thinking: dict[str, object] | None
    output_config: dict[str, object] | None
    tool_choice: dict[str, object] | None


def find_setting_fault(asked: Settings, begun_with: str) -> str:
    """Return what the provider would say of the settings, nothing when they are good.

    `begun_with` is what the block is that the turn of the model began with, if tools answer it now.
    """
    version = _version(asked.model)
    faults = [*_effort(asked, version), *_sampling(asked, version)]
    thinking = asked.thinking or {}
    if thinking.get("type") == "adaptive" and version < (4, 6):
        faults.append("adaptive thinking is not supported on this model")
    if thinking.get("type") == "enabled":
        faults += _budget(asked, version, begun_with)
    if _thinks(asked) and (asked.tool_choice or {}).get("type") in _FORCED:
        faults.append("Thinking may not be enabled when tool_choice forces tool use.")
    return next(iter(faults), "")


def begun_with(turns: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return the sort of block that a turn began with in which tools were called up to the end."""
    begun = ""
    for role, kinds in reversed(turns):
        if role == "assistant":
            begun = kinds[0] if kinds else ""
        elif "tool_result" not in kinds:
            break
    return begun


def _version(model: str) -> tuple[int, int]:
    found = _VERSION.match(model)
    return (int(found[1]), int(found[2] or 0)) if found else _UNKNOWN


def _thinks(asked: Settings) -> bool:
    return (asked.thinking or {}).get("type") in ("adaptive", "enabled")


def _effort(asked: Settings, version: tuple[int, int]) -> Iterator[str]:
    effort = (asked.output_config or {}).get("effort")
    if effort is None:
        return
    if effort not in _EFFORTS:
        known = ", ".join(repr(one) for one in _EFFORTS)
        yield f"output_config.effort: Input should be {known}"
    if version < (4, 5) or (version < (4, 6) and "opus" not in asked.model):
        yield "This model does not support the effort parameter."
    elif (effort == "xhigh" and version < (4, 7)) or (effort == "max" and version < (4, 6)):
        yield f"This model does not support effort level {effort!r}."


def _budget(asked: Settings, version: tuple[int, int], begun: str) -> Iterator[str]:
    budget = (asked.thinking or {}).get("budget_tokens")
    if (4, 7) <= version < _UNKNOWN:
        yield (
            '"thinking.type.enabled" is not supported for this model. Use '
            '"thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
        )
    if not isinstance(budget, int) or budget < _MINIMUM:
        yield f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_MINIMUM}"
    elif budget >= asked.max_tokens:
        yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    if begun not in ("", *_THOUGHTS):
        yield (
            f"Expected `thinking` or `redacted_thinking`, but found `{begun}`. When `thinking` is "
            "enabled, a final `assistant` message must start with a thinking block."
        )


def _sampling(asked: Settings, version: tuple[int, int]) -> Iterator[str]:
    if (4, 7) <= version < _UNKNOWN:
        for name, value in (("temperature", asked.temperature), ("top_p", asked.top_p)):
            if value not in (None, 1):
                yield f"`{name}` is deprecated for this model."
    elif _thinks(asked) and asked.temperature not in (None, 1):
        yield "`temperature` may only be set to 1 when thinking is enabled."
    elif _thinks(asked) and asked.top_p is not None and asked.top_p < _NEARLY_ALL:
        yield "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."


_REPEATED = {
    "tool_use": "`tool_use` ids must be unique",
    "tool_result": "each tool_use must have a single result",
}


def read_body(body: JsonObject) -> MessagesBody:
    """Return the body with its types, or raise the Rejection the provider would answer with."""
    _check_fields(body, FIELDS)
    asked = check_body(MessagesBody, body)
    _check_prompt(asked)
    _check_settings(asked)
    return asked


def read_count(body: JsonObject) -> CountBody:
    """Return what is to be counted with its types, or raise such a Rejection."""
    _check_fields(body, FIELDS_TO_COUNT)
    asked = check_body(CountBody, body)
    _check_prompt(asked)
    return asked


def read_said(asked: CountBody) -> Sequence[Turn]:
    """Return who said what, however many messages and blocks there are of one speaker."""
    return join_turns(turn for one in asked.messages for turn in read_turns(one))


def _check_prompt(asked: CountBody) -> None:
    asked.messages = join_messages(asked.messages)
    _check_calls(asked.messages)
    _check_unique(asked.messages)
    _check_blocks(asked.messages)
    if fault := find_mark_fault(asked):
        raise Rejection(400, fault)


def _check_fields(body: JsonObject, known: AbstractSet[str]) -> None:
    for name in unknown_fields(body, known):
        raise Rejection(400, f"{name}: Extra inputs are not permitted")


def _check_calls(messages: Sequence[SaidMessage]) -> None:
    """Every call is answered in the message after it, and nothing else is."""
    nobody = SaidMessage(role="user", content=[])
    for index, (before, now) in enumerate(pairwise([nobody, *messages, nobody])):
        called = {one.id for one in before.blocks if one.type == "tool_use"}
        answered = {one.tool_use_id for one in now.blocks if one.type == "tool_result"}
        for call_id in sorted(called - answered):
            raise Rejection(
                400,
                f"messages.{index - 1}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {call_id}",
            )
        for call_id in sorted(answered - called):
            raise Rejection(
                400,
                f"messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{call_id}",
            )


def _check_unique(messages: Sequence[SaidMessage]) -> None:
    """No two calls have one id, and no call has two results."""
    met: set[tuple[str, str]] = set()
    for place, message in enumerate(messages):
        for number, block in enumerate(message.blocks):
            told = _REPEATED.get(block.type)
            name = (block.type, block.tool_use_id or block.id)
            if told and name in met:
                raise Rejection(400, f"messages.{place}.content.{number}: {told}")
            met.add(name)


def _check_settings(asked: MessagesBody) -> None:
    turns = [(one.role, [block.type for block in one.blocks]) for one in asked.messages]
    if fault := find_setting_fault(asked, begun_with(turns)):
        raise Rejection(400, fault)


def _check_blocks(messages: Sequence[SaidMessage]) -> None:
    for place, message in enumerate(messages):
        if fault := order_fault([block.type for block in message.blocks], message.role):
            raise Rejection(400, f"messages.{place}: {fault}")
        for index, block in enumerate(message.blocks):
            fault = _fault(block)
            if fault:
                raise Rejection(400, f"messages.{place}.content.{index}: {fault}")


def _fault(block: ContentBlock) -> str:
    if block.type == "text" and not block.text:
        return "text content blocks must be non-empty"
    if block.type == "thinking" and block.signature != seal(block.thinking):
        return "Invalid `signature` in `thinking` block"
    if block.type == "redacted_thinking" and not is_intact(block.data):
        return "Invalid `data` in `redacted_thinking` block"
    inner: Sequence[MediaBlock] = [] if isinstance(block.content, str) else block.content
    faults = [find_fault(one) for one in (block, *inner)]
    return next(filter(None, faults), "")


_Told: TypeAlias = tuple[str, Mapping[str, Json]]


def stream_message(message: JsonObject) -> Iterator[ServerEvent]:
    """Yield the events that together say a message."""
    for kind, more in _told(message):
        yield ServerEvent({"type": kind, **more}, kind)


def stream_error(error: JsonObject) -> ServerEvent:
    """Return the event that ends a stream with an error."""
    return ServerEvent(error, "error")


def _told(message: JsonObject) -> Iterator[_Told]:
    used = dict(record_at(message, "usage"))
    begun: Json = {**used, "output_tokens": 1}
    nothing: Json = []
    start: Json = {**message, "content": nothing, "stop_reason": None, "usage": begun}
    yield "message_start", {"message": start}
    for index, block in enumerate(records_at(message, "content")):
        yield "content_block_start", {"index": index, "content_block": _opened(block)}
        if not index:
            yield "ping", {}
        for delta in _deltas(block):
            yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    ended = {name: message[name] for name in ("stop_reason", "stop_sequence")}
    yield "message_delta", {"delta": ended, "usage": used}
    yield "message_stop", {}


def _opened(block: JsonObject) -> Json:
    """Return a block as it begins: without what deltas will bring."""
    nothing: dict[str, Json] = {}
    match block["type"]:
        case "text":
            return {**block, "text": ""}
        case "thinking":
            return {**block, "thinking": "", "signature": ""}
        case "tool_use":
            return {**block, "input": nothing}
        case _:
            return dict(block)


def _deltas(block: JsonObject) -> Iterator[Json]:
    match block["type"]:
        case "text":
            for piece in in_words(text_at(block, "text")):
                yield {"type": "text_delta", "text": piece}
        case "thinking":
            for piece in in_words(text_at(block, "thinking")):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": text_at(block, "signature")}
        case "tool_use":
            given = record_at(block, "input")
            written = json_text(given) if given else ""
            # The provider begins with an empty one, and leaves it at that for an empty input.
            for piece in ["", *in_letters(written)]:
                yield {"type": "input_json_delta", "partial_json": piece}
        case _:
            return
