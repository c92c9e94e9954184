"""The contract of every wire: it reads requests, writes answers and refuses.

Whole exchanges are in tests/twins/server/test_replies.py, real clients in tests/twins/clients.
"""

import json
from copy import deepcopy
from typing import Any

import pytest

from attractor.base.json import JsonObject, canonical_json
from attractor.base.registry import find_shortcoming
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Answer, Tokens, ToolUse
from attractor.twins.exchange.wire import Conversation, Speaker, Wire, WireRequest, wire_registry
from tests.tables import table
from tests.twins.exchanging import HELLO, KEYS, refusal

WIRES = dict(wire_registry())
wires = table("wire", WIRES.values(), ids=list(WIRES))
ANSWERS = {
    "empty": Answer(),
    "text": Answer(text="größe 🐍\n\0"),
    "thinking": Answer(text="a", thinking="größe", redacted_thinking="hidden"),
    "calls": Answer(
        tool_calls=(ToolUse(name="shell", arguments={"é": [1, None]}), ToolUse(name="b"))
    ),
    "used": Answer(text="a", usage=Tokens(input=10, output=2, reasoning=1, cache_read=4)),
    "big": Answer(text="x" * 1_000_000),
    **{
        one: Answer(text="a", finish=one)
        for one in ("stop", "tool_calls", "length", "content_filter")
    },
}


def hello(wire: Wire, text: str = "hello") -> JsonObject:
    body: Any = json.loads(json.dumps(HELLO[wire.name]).replace('"hello"', json.dumps(text)))
    return body


def asked(wire: Wire, seed: str = "abc123") -> WireRequest:
    body = hello(wire)
    return WireRequest(wire.read(KEYS[wire.name], body), body, seed)


@wires
def test_wires_declare_paths_and_variables(wire: Wire) -> None:
    assert find_shortcoming(wire, Wire) == ""
    assert WIRES[wire.name] is wire
    assert wire.path.startswith(f"{wire.base_path}/")
    assert wire.base_path in ("", wire.base_path.rstrip("/"))
    *urls, key = wire.variables
    assert urls
    assert all(url.endswith("_BASE_URL") for url in urls)
    assert key.endswith("_API_KEY")


def test_paths_and_variables_of_wires_are_unique() -> None:
    assert len({wire.path for wire in WIRES.values()}) == len(WIRES)
    variables = [name for wire in WIRES.values() for name in wire.variables]
    assert len(set(variables)) == len(variables)


@wires
@table("text", ["hello", "größe 🐍\n\\", "x" * 1_000_000])
def test_user_text_is_read_and_the_body_unchanged(wire: Wire, text: str) -> None:
    body = hello(wire, text)
    before = deepcopy(body)
    read = wire.read(KEYS[wire.name], body)
    assert isinstance(read, Conversation)
    assert (read.wire, read.step, read.first_user) == (wire.name, 0, text)
    assert read.turns[0].speaker is Speaker.USER
    assert body == before
    assert wire.read(KEYS[wire.name], body) == read


@wires
@table("body", [{}, {"model": 5}, {"model": "m", "input": 5, "messages": 5}])
def test_invalid_bodies_are_rejected(wire: Wire, body: JsonObject) -> None:
    with pytest.raises(Rejection) as caught:
        wire.read(KEYS[wire.name], body)
    assert caught.value.status == 400
    assert caught.value.message


@wires
def test_missing_key_is_rejected_before_the_body_is_read(wire: Wire) -> None:
    with pytest.raises(Rejection) as caught:
        wire.read({}, {})
    assert caught.value.status == (403 if wire.name == "gemini" else 401)


@wires
@table("name", list(ANSWERS))
def test_answer_is_deterministic_json(wire: Wire, name: str) -> None:
    answer, to = ANSWERS[name], asked(wire)
    written = wire.write(answer, to)
    canonical_json(written)
    assert wire.write(answer, to) == written
    model = written["modelVersion" if wire.name == "gemini" else "model"]
    assert model == to.conversation.model
    assert ("größe" in json.dumps(written, ensure_ascii=False)) is ("größe" in repr(answer))


@wires
def test_ids_come_from_the_seed(wire: Wire) -> None:
    answer = ANSWERS["calls"]
    one, other = wire.write(answer, asked(wire, "seed1")), wire.write(answer, asked(wire, "seed2"))
    key = "responseId" if wire.name == "gemini" else "id"
    assert one[key] != other[key]
    assert json.dumps(one).replace("seed1", "seed2") == json.dumps(other)


OPENAI_ERRORS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
}
ANTHROPIC_ERRORS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
GEMINI_ERRORS = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNKNOWN",
}
FINISH_REASONS = {
    "anthropic": {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"},
    "gemini": {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"},
    "openai": {"length": "max_output_tokens", "content_filter": "content_filter"},
    "openai_chat": {"stop": "stop", "length": "length", "content_filter": "content_filter"},
}


def error_of(name: str, status: int, code: str | None = None) -> dict[str, Any]:
    written = WIRES[name].write_error(Rejection(status, "größe 🐍", code=code))
    canonical_json(written)
    error: Any = written["error"]
    assert error["message"] == "größe 🐍"
    return error


def test_errors_have_types_and_codes_of_their_provider() -> None:
    for status, kind in ANTHROPIC_ERRORS.items():
        assert error_of("anthropic", status)["type"] == kind
    for status, name in GEMINI_ERRORS.items():
        error = error_of("gemini", status)
        assert (error["code"], error["status"], "details" in error) == (status, name, False)
    for wire in ("openai", "openai_chat"):
        for status, (kind, code) in OPENAI_ERRORS.items():
            error = error_of(wire, status)
            assert (error["type"], error["code"]) == (kind, code)
            assert set(error) == {"message", "type", "param", "code"}
    for wire in WIRES:
        assert "a_code" in error_of(wire, 400, "a_code").values()


def test_finish_reasons_are_words_of_the_provider() -> None:
    for name, reasons in FINISH_REASONS.items():
        for finish, reason in reasons.items():
            answer = Answer.model_validate({"text": "a", "finish": finish})
            written = WIRES[name].write(answer, asked(WIRES[name]))
            assert f'"{reason}"' in json.dumps(written)


@table("name", ["anthropic", "gemini"])
def test_invalid_arguments_are_an_error_of_the_script(name: str) -> None:
    answer = Answer(tool_calls=(ToolUse(name="n", raw_arguments="{"),))
    with pytest.raises(Rejection, match="raw_arguments of n") as caught:
        WIRES[name].write(answer, asked(WIRES[name]))
    assert caught.value.status == 500
    script = 'rules = [{ answer.tool_calls = [{ name = "n", raw_arguments = "{" }] }]'
    assert refusal(name, HELLO[name], script=script)[0] == 500
