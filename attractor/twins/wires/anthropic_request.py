"""What Anthropic's Messages API takes, and what it refuses."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise

from attractor.base.json import JsonObject
from attractor.twins.conversation import Turn, join_turns
from attractor.twins.errors import Rejection
from attractor.twins.seals import is_intact, seal
from attractor.twins.wires.anthropic_blocks import find_mark_fault, read_turns
from attractor.twins.wires.anthropic_body import (
    FIELDS,
    FIELDS_TO_COUNT,
    ContentBlock,
    CountBody,
    MessagesBody,
    SaidMessage,
    Shown,
    join_messages,
)
from attractor.twins.wires.anthropic_content import find_fault, order_fault
from attractor.twins.wires.anthropic_thinking import begun_with, find_setting_fault
from attractor.twins.wires.bodies import check_body, unknown_fields

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
    inner: Sequence[Shown] = [] if isinstance(block.content, str) else block.content
    faults = [find_fault(one) for one in (block, *inner)]
    return next(filter(None, faults), "")
