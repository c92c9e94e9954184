"""What OpenAI's Responses API takes, and what it refuses."""

from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict

from attractor.base.json import JsonObject
from attractor.twins.conversation import Speaker, Turn
from attractor.twins.errors import Rejection
from attractor.twins.seals import is_intact
from attractor.twins.wires.bodies import check_body, spoken
from attractor.twins.wires.openai_content import check_content
from attractor.twins.wires.openai_errors import check_fields
from attractor.twins.wires.openai_fields import RESPONSE_FIELDS


class _Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Content(_Loose):
    type: str
    text: str = ""
    image_url: str | None = None
    file_id: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


class ResponseItem(_Loose):
    """One item of what was said so far, of any type."""

    type: str = "message"
    role: str = ""
    content: str | list[_Content] | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    output: str | list[_Content] = ""
    encrypted_content: str | None = None

    @property
    def text(self) -> str:
        """What is said in it."""
        return spoken(self.content or "")


class ResponseBody(_Loose):
    """A request's body."""

    model: str
    input: str | list[ResponseItem]
    instructions: str | None = None
    include: list[str] | None = None
    stream: bool | None = False
    previous_response_id: str | None = None
    conversation: object = None

    @property
    def items(self) -> Sequence[ResponseItem]:
        """What was said so far as items, also where it is one text."""
        if isinstance(self.input, str):
            return [ResponseItem(role="user", content=self.input)]
        return self.input


def read_body(body: JsonObject) -> ResponseBody:
    """Return the body with its types, or raise the Rejection the provider would answer with."""
    check_fields(body, RESPONSE_FIELDS)
    asked = check_body(ResponseBody, body)
    _check_is_whole(asked)
    _check_calls(asked.items)
    _check_reasoning(asked.items)
    for index, one in enumerate(asked.items):
        _check_item(one, f"input[{index}]")
    return asked


def read_system(asked: ResponseBody) -> str:
    """Return the instructions as one text."""
    said = [asked.instructions or "", *(one.text for one in asked.items if _instructs(one))]
    return "\n".join(filter(None, said))


def read_turns(item: ResponseItem) -> Iterator[Turn]:
    """Yield what an item says."""
    if item.type == "function_call_output":
        yield Turn(Speaker.TOOL, spoken(item.output))
    elif item.type == "function_call":
        yield Turn(Speaker.ASSISTANT, f"{item.name}({item.arguments})")
    elif item.role == "user":
        yield Turn(Speaker.USER, item.text)
    elif not _instructs(item):
        yield Turn(Speaker.ASSISTANT, item.text)


def _check_is_whole(asked: ResponseBody) -> None:
    """A twin keeps nothing between requests: it cannot go on with what was said in another one."""
    for name in ("previous_response_id", "conversation"):
        if getattr(asked, name):
            told = f"this twin keeps no conversations: send all of it in `input`, without `{name}`"
            raise Rejection(400, told, code="unsupported_parameter")


def _instructs(item: ResponseItem) -> bool:
    return item.role in {"system", "developer"}


def _check_calls(items: Sequence[ResponseItem]) -> None:
    """Every call has its result and every result its call, as the provider wants it."""
    called = {one.call_id for one in items if one.type == "function_call"}
    answered = {one.call_id for one in items if one.type == "function_call_output"}
    for call_id in sorted(called - answered):
        raise Rejection(400, f"No tool output found for function call {call_id}.")
    for call_id in sorted(answered - called):
        raise Rejection(400, f"No tool call found for function call output with call_id {call_id}.")


def _check_item(item: ResponseItem, place: str) -> None:
    if item.type == "message" and isinstance(item.content, list):
        check_content(item.content, f"{place}.content", by_model=item.role == "assistant")
    if isinstance(item.output, list):
        check_content(item.output, f"{place}.output", by_model=False)


def _check_reasoning(items: Sequence[ResponseItem]) -> None:
    for index, one in enumerate(items):
        if one.type == "reasoning" and not is_intact(one.encrypted_content or ""):
            raise Rejection(
                400,
                f"The encrypted content of input[{index}] could not be verified.",
                code="invalid_encrypted_content",
            )
