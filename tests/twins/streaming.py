"""Reads streams as a client does, and combines their events."""

import json
from typing import Any

import httpx
from httpx_sse import ServerSentEvent
from httpx_sse._decoders import SSEDecoder

from attractor.twins.exchange.answer import Reply
from attractor.twins.exchange.wire import wire_registry
from attractor.twins.script.script import parse_script
from attractor.twins.server.provider_state import IncomingRequest, reply_to
from attractor.twins.server.provider_twin import ProviderTwin
from tests.twins.exchanging import ANY, HELLO, KEYS, PATHS

DONE = "[DONE]"
# Further options of a request for all events.
BESIDE = {"openai_chat": {"stream_options": {"include_usage": True}}}
STREAMS = PATHS | {
    "gemini": "/v1beta/models/gemini-3-flash-preview:streamGenerateContent?alt=sse",
}


def request(wire: str, **more: Any) -> tuple[bytes, dict[str, str]]:
    """Make a request for a stream: its body and its path."""
    if wire != "gemini":
        asked = {"stream": True, **BESIDE.get(wire, {}), **more}
        return json.dumps(HELLO[wire] | asked).encode(), {}
    body = HELLO[wire] | more
    from_path = {"model": body.pop("model")}
    return json.dumps(body).encode(), from_path


def stream(wire: str, script: str = ANY, **more: Any) -> Reply:
    content, from_path = request(wire, **more)
    incoming = IncomingRequest(
        wire_registry()[wire], KEYS[wire], content, from_path=from_path, target=STREAMS[wire]
    )
    return reply_to(incoming, parse_script(script))


def opened(twin: ProviderTwin, wire: str, timeout: float = 60) -> Any:
    """Request a stream of a twin over HTTP."""
    return httpx.stream(
        "POST",
        twin.url + STREAMS[wire],
        content=request(wire)[0],
        headers=KEYS[wire],
        timeout=timeout,
    )


def events_of(sent: bytes) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    lines = sent.decode().replace("\r\n", "\n").split("\n")
    return [event for line in lines if (event := decoder.decode(line)) is not None]


def events(sent: bytes) -> list[Any]:
    """Return the data of all events, without the final marker of some providers."""
    return [json.loads(one.data) for one in events_of(sent) if one.data != DONE]


def names(sent: bytes) -> list[str]:
    return [one.event for one in events_of(sent)]


def put_together(wire: str, sent: bytes) -> Any:
    """Return the answer, combined from its events as the provider's clients do."""
    together = {
        "openai": _response,
        "openai_chat": _completion,
        "anthropic": _message,
        "gemini": _candidate,
    }
    return together[wire](events(sent))


def _response(expected: list[Any]) -> Any:
    assert [one["sequence_number"] for one in expected] == list(range(len(expected)))
    items: list[Any] = []
    for one in expected:
        _grow(items, one)
    begun, ended = expected[0]["response"], expected[-1]["response"]
    assert expected[-1]["type"] == f"response.{ended['status']}"
    assert ended["output"] == items
    # These are known only at the end.
    last = ("status", "incomplete_details", "usage")
    return begun | {"output": items} | {key: ended[key] for key in last}


def _grow(items: list[Any], one: Any) -> None:
    place = one.get("output_index", len(items))
    item: Any = items[place] if place < len(items) else None
    match one["type"].removeprefix("response."):
        case "output_item.added":
            assert one["output_index"] == len(items)
            items.append(one["item"])
        case "reasoning_summary_part.added":
            item["summary"].append(one["part"])
        case "reasoning_summary_text.delta":
            item["summary"][one["summary_index"]]["text"] += one["delta"]
        case "content_part.added":
            item["content"].append(one["part"])
        case "output_text.delta":
            item["content"][one["content_index"]]["text"] += one["delta"]
        case "function_call_arguments.delta":
            item["arguments"] += one["delta"]
        case "output_item.done":
            last = ("status", "encrypted_content")
            item |= {key: one["item"][key] for key in last if key in one["item"]}
            assert item == one["item"]
        case _:
            pass


def _completion(expected: list[Any]) -> Any:
    message: Any = {}
    for one in expected[:-1]:
        (choice,) = one["choices"]
        _add(message, choice["delta"])
    for call in message.get("tool_calls", []):
        del call["index"]
    last = expected[-1]
    assert (last["object"], last["choices"]) == ("chat.completion.chunk", [])
    assert all(one["usage"] is None for one in expected[:-1])
    (choice,) = expected[-2]["choices"]
    assert choice.pop("delta") == {}
    whole = choice | {"message": message}
    return last | {"object": "chat.completion", "choices": [whole]}


def _add(message: Any, delta: Any) -> None:
    for key, value in delta.items():
        if key != "tool_calls":
            message[key] = (message.get(key) or "") + value if value else message.get(key, value)
            continue
        (piece,) = value
        calls = message.setdefault(key, [])
        if piece["index"] == len(calls):
            calls.append(piece)
        else:
            calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]


def _message(expected: list[Any]) -> Any:
    message = expected[0]["message"]
    blocks: list[Any] = message["content"]
    inputs: dict[int, str] = {}
    for one in expected[1:]:
        match one["type"]:
            case "content_block_start":
                assert one["index"] == len(blocks)
                blocks.append(one["content_block"])
            case "content_block_delta":
                delta, block = one["delta"], blocks[one["index"]]
                kind = delta["type"].removesuffix("_delta")
                if kind == "input_json":
                    inputs[one["index"]] = inputs.get(one["index"], "") + delta["partial_json"]
                else:
                    block[kind] += delta[kind]
            case "content_block_stop" if inputs.get(one["index"]):
                blocks[one["index"]]["input"] = json.loads(inputs[one["index"]])
            case "message_delta":
                message |= one["delta"]
                message["usage"] |= one["usage"]
            case _:
                pass
    assert expected[-1]["type"] == "message_stop"
    return message


def _candidate(expected: list[Any]) -> Any:
    parts: list[Any] = []
    for one in expected:
        (candidate,) = one["candidates"]
        (part,) = candidate["content"]["parts"]
        goes_on = parts and "text" in part and "text" in parts[-1]
        if goes_on and parts[-1].get("thought") == part.get("thought"):
            parts[-1] |= part | {"text": parts[-1]["text"] + part["text"]}
        elif part != {"text": ""} or not parts:
            parts.append(part)
    last = expected[-1]
    (candidate,) = last["candidates"]
    candidate["content"]["parts"] = parts
    return last
