"""Writes a request as litellm takes it: as Chat Completions, whoever the provider is (7.3)."""

from collections.abc import Collection, Iterator, Sequence

from attractor.base.json import Json, JsonObject
from attractor.llm.errors import InvalidRequestError, UnsupportedToolChoiceError
from attractor.llm.options import merge_options
from attractor.llm.providers.chat_messages import write_messages
from attractor.llm.providers.chat_request import write_choice, write_settings, write_tools
from attractor.llm.providers.names import untold_names
from attractor.llm.providers.openai_format import NOT_EVERYWHERE_HELD, held_to_schema, name_schema
from attractor.llm.providers.openai_request import Written
from attractor.llm.request import Request
from attractor.llm.response import Warning
from attractor.llm.response_format import NOT_ENFORCED, format_in_words
from attractor.llm.tools import ToolChoice

_OWN_OPTIONS = "litellm"
_IGNORED = "unsupported_parameter"
# Nothing is tried twice; what has not come in time is ended by us.
_FIXED: JsonObject = {"num_retries": 0, "max_retries": 0, "timeout": 6000}


def write_request(request: Request, *, provider: str, taken: Collection[str] | None) -> Written:
    """Translate a request; options of the provider and of litellm come last and win.

    `taken` are the parameters that the model can be told, None where litellm does not know.
    """
    _require_known(request, provider)
    warnings: list[Warning] = []
    words = _words(request, provider, _takes(taken, "response_format"), warnings)
    messages = list(write_messages(request, provider, give_back=_as_blocks, words=words))
    body: dict[str, Json] = {"messages": messages}
    for name, value in write_settings(request, name_schema).items():
        if _takes(taken, name):
            body[name] = value
        else:
            warnings.append(Warning(f"{provider} is told no {name} by litellm", _IGNORED))
    for one in untold_names(request.messages):
        # litellm says nothing of where it leaves one out; instructions go as one message.
        warnings.append(Warning(f"not every provider is told {one} by litellm", _IGNORED))
    if request.metadata:
        warnings.append(Warning("litellm hands no metadata on", _IGNORED))
    body |= _tools(request, provider, taken)
    for namespace in dict.fromkeys([provider, _OWN_OPTIONS]):
        body = merge_options(body, request.options_for(namespace))
    return Written({**body, **_FIXED}, warnings)


def list_images(body: JsonObject) -> Sequence[str]:
    """Return the images in what litellm is told, by their base64 or their address."""
    messages = body.get("messages")
    return [one for said in messages for one in _images(said)] if isinstance(messages, list) else []


def _images(message: Json) -> Iterator[str]:
    content = message.get("content") if isinstance(message, dict) else None
    for part in content if isinstance(content, list) else ():
        match part:
            case {"image_url": {"url": str(url)}}:
                yield url.partition(";base64,")[2] or url
            case _:
                pass


def _takes(taken: Collection[str] | None, name: str) -> bool:
    return taken is None or name in taken


def _tools(request: Request, provider: str, taken: Collection[str] | None) -> JsonObject:
    if not request.tools:
        return {}
    choice = request.tool_choice or ToolChoice()
    if not _takes(taken, "tools"):
        raise InvalidRequestError(
            f"litellm hands no tools on to the model {request.model!r} of {provider}",
            provider=provider,
        )
    tools = write_tools(request.tools)
    if _takes(taken, "tool_choice"):
        return {"tools": tools, "tool_choice": write_choice(choice)}
    if choice.mode in ("required", "named"):
        raise UnsupportedToolChoiceError(f"{provider} knows no tool choice {choice.mode!r}")
    return {} if choice.mode == "none" else {"tools": tools}


def _words(request: Request, provider: str, is_held: bool, warnings: list[Warning]) -> str:
    """Return how the form of the answer is asked for, beside the setting or in its place."""
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return ""
    if wanted.strict and not is_held:
        told = f"{provider} cannot be made to hold the model to the schema by litellm"
        warnings.append(Warning(told, NOT_ENFORCED))
    elif wanted.strict and not held_to_schema(wanted):
        warnings.append(Warning(NOT_EVERYWHERE_HELD, NOT_ENFORCED))
    # Some providers refuse the form of any JSON without a word of it in the request.
    return format_in_words(wanted) if wanted.type == "json" or not is_held else ""


def _as_blocks(thoughts: Sequence[JsonObject], is_going_on: bool) -> JsonObject:
    """Give back thoughts that their provider signed: it wants them always."""
    return {"thinking_blocks": [dict(one) for one in thoughts]} if thoughts else {}


def _require_known(request: Request, provider: str) -> None:
    for part in (part for message in request.messages for part in message.content):
        result = part.tool_result
        is_file = part.document is not None or (result is not None and result.document is not None)
        if part.audio is not None or is_file:
            noun = "audio" if part.audio is not None else "documents"
            raise InvalidRequestError(
                f"{provider} is handed no {noun} by litellm",
                provider=provider,
                hint="give the words in it, or ask a provider with an adapter of its own",
            )
