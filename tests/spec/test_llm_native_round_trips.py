"""unified-llm 2.7, 3.5, 7.3: a provider gets its own content back byte for byte.

A conversation can move from one provider to any other, which gets all parts that it supports. All
requests go over real HTTP.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

from attractor.base.json import Json
from attractor.llm import (
    Client,
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    Message,
    ProviderData,
    Request,
    Response,
    Role,
    ToolResultData,
)
from attractor.llm.providers.anthropic import AnthropicAdapter
from attractor.twins.server.provider_twin import ProviderTwin
from tests.llm.asking import PROVIDERS, SHELL, a_request, ask, last_body, speaking
from tests.llm.generated import within
from tests.tables import table

PAIRS = list(permutations(PROVIDERS, 2))
THOUGHT, SECRET = "Größe is all.", "Nobody reads this."
SCRIPT = f"""
[[rules]]
when = {{ step = 0 }}
[rules.answer]
thinking = "{THOUGHT}"
redacted_thinking = "{SECRET}"
text = "I look."
tool_calls = [
    {{ name = "shell", arguments = {{ command = "ls 'größe'" }} }},
    {{ name = "shell", arguments = {{ command = "pwd" }} }},
]
[[rules]]
when = {{ step = 1, tool_result = {{ regex = "todo.py\\n+/home" }} }}
[rules.answer]
thinking = "So it is there."
text = "Found."
[[rules]]
when = {{ step = 2, last_user = "And now?" }}
answer.text = "Done."
"""
PNG = ContentPart(ContentKind.IMAGE, image=ImageData(data=b"png"))
PDF = ContentPart(ContentKind.DOCUMENT, document=DocumentData(data=b"pdf"))
LOOK = Message(Role.USER, [ContentPart(ContentKind.TEXT, text="Look."), PNG, PDF])


def heard(twin: ProviderTwin, request: Request) -> Response:
    """Request a stream and return its answer."""

    async def work(client: Client) -> Response | None:
        return [event async for event in client.stream(request)][-1].response

    response = within(twin, work)
    assert response is not None
    return response


WAYS = table("way", [ask, heard], ids=["whole", "streamed"])


def asked(provider: str, *messages: Message, **more: Any) -> Request:
    return a_request(provider, *messages, tools=[SHELL], reasoning_effort="high", **more)


def results(response: Response) -> Sequence[Message]:
    one, other = response.tool_calls
    shown = ToolResultData(one.id, "todo.py", image_data=b"gif", image_media_type="image/png")
    part = ContentPart(ContentKind.TOOL_RESULT, tool_result=shown)
    return [Message(Role.TOOL, [part]), Message.tool_result(other.id, "/home", is_error=True)]


def said_by_model(provider: str, body: Any) -> list[Any]:
    """Return the model's part of a request: the items, blocks or parts."""
    if provider == "openai":
        return [one for one in body["input"] if one.get("role") not in ("user", "developer")]
    turns = body["messages" if provider == "anthropic" else "contents"]
    spoken = [turn for turn in turns if turn["role"] in ("assistant", "model")]
    return [one for turn in spoken for one in turn.get("content", turn.get("parts"))]


def raw_answer(provider: str, response: Response) -> list[Any]:
    raw: Any = response.raw
    if provider == "gemini":
        return raw["candidates"][0]["content"]["parts"]
    return raw["output" if provider == "openai" else "content"]


def calls(items: list[Any]) -> list[list[str]]:
    called = [one for one in items if one["type"] == "function_call"]
    return [[one["call_id"], one["name"], one["arguments"]] for one in called]


def is_thought(item: Any) -> bool:
    kinds = ("reasoning", "thinking", "redacted_thinking")
    return item.get("type") in kinds or bool(item.get("thought"))


def sealed(value: Json) -> Iterator[str]:
    """Yield every opaque text: signatures, redacted and encrypted parts."""
    for key, one in value.items() if isinstance(value, dict) else ():
        if key in ("signature", "thoughtSignature", "encrypted_content", "data") and one:
            yield str(one)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from sealed(one)


@WAYS
@table("provider", PROVIDERS)
def test_thoughts_and_calls_are_returned_unchanged(provider: str, way: Any) -> None:
    with speaking(SCRIPT) as twin:
        first = way(twin, asked(provider, LOOK))
        second = way(twin, asked(provider, LOOK, first.message, *results(first)))
        assert second.text == "Found."
        sent = said_by_model(provider, last_body(twin))
    received = raw_answer(provider, first)
    seals = list(sealed(received))
    # Two of each: a valid signature and an invalid one.
    assert len(seals) == 2
    assert list(sealed(sent)) == seals
    assert [json.dumps(one) for one in sent if is_thought(one)] == [
        json.dumps(one) for one in received if is_thought(one)
    ]
    if provider == "openai":
        # Calls have their ids by `call_id`; the ids of items belong to what the provider stores.
        sent, received = calls(sent), calls(received)
    assert sent == received


@WAYS
@table(("there", "here"), PAIRS)
def test_conversation_moves_to_another_provider(there: str, here: str, way: Any) -> None:
    with speaking(SCRIPT) as twin:
        first = way(twin, asked(there, LOOK))
        talk = [Message.system("Be brief."), LOOK, first.message, *results(first)]
        second = way(twin, asked(here, *talk))
        assert second.text == "Found."
        body = json.dumps(last_body(twin), ensure_ascii=False)
    for kept in ("Be brief.", "Look.", "cG5n", "cGRm", "I look.", "todo.py", "/home", "Z2lm"):
        assert kept in body
    sent = [one for one in said_by_model(here, json.loads(body)) if "shell" in json.dumps(one)]
    assert len(sent) == 2
    assert "ls 'größe'" in json.dumps(sent[0], ensure_ascii=False)
    # No provider can use the reasoning of another one.
    assert THOUGHT not in body
    assert not [one for one in sealed(raw_answer(there, first)) if one in body]


@table(("there", "here"), PAIRS)
def test_provider_gets_only_its_own_thoughts(there: str, here: str) -> None:
    with speaking(SCRIPT) as twin:
        first = ask(twin, asked(there, LOOK))
        talk = [LOOK, first.message, *results(first)]
        second = ask(twin, asked(here, *talk))
        third = ask(twin, asked(there, *talk, second.message, Message.user("And now?")))
        assert third.text == "Done."
        sent = said_by_model(there, last_body(twin))
    own, others = (list(sealed(raw_answer(*one))) for one in ((there, first), (here, second)))
    assert own
    assert others
    assert list(sealed(sent)) == own
    assert "So it is there." not in json.dumps(sent)


# Other models of the same providers.
OTHERS = {
    "anthropic": "claude-sonnet-4-6",
    "gemini": "gemini-3.1-pro-preview",
    "openai": "gpt-5.2-codex",
}


@WAYS
@table("provider", PROVIDERS)
def test_thoughts_are_not_given_to_another_model(provider: str, way: Any) -> None:
    with speaking(SCRIPT) as twin:
        first = way(twin, asked(provider, LOOK))
        talk = [LOOK, first.message, *results(first)]
        second = way(twin, replace(asked(provider, *talk), model=OTHERS[provider]))
        assert second.text == "Found."
        sent = json.dumps(said_by_model(provider, last_body(twin)), ensure_ascii=False)
        back = way(twin, asked(provider, *talk, second.message, Message.user("And now?")))
        assert back.text == "Done."
        returned = said_by_model(provider, last_body(twin))
    own, others = (list(sealed(raw_answer(provider, one))) for one in (first, second))
    assert own
    assert others
    assert THOUGHT not in sent
    assert not [one for one in own if one in sent]
    # The texts and the calls are sent.
    assert "I look." in sent
    assert sent.count("shell") == 2
    assert list(sealed(returned)) == own


@table("there", ["gemini", "openai"])
def test_an_older_model_takes_over_between_a_call_and_its_result(there: str) -> None:
    with speaking(SCRIPT) as twin:
        first = ask(twin, asked(there, LOOK))
        older = Request(
            "claude-sonnet-4-5",
            [LOOK, first.message, *results(first)],
            provider="anthropic",
            tools=[SHELL],
            reasoning_effort="high",
        )
        second = ask(twin, older)
        assert "thinking" not in last_body(twin)
    assert second.text == "Found."
    (warning,) = second.warnings
    assert "began without thinking" in warning.message


OPTIONS: dict[str, Any] = {
    "anthropic": {"service_tier": "auto", "diagnostics": {"größe": [1, None]}},
    "gemini": {"safetySettings": [{"category": "größe"}], "cachedContent": "cachedContents/1"},
    "openai": {"prompt_cache_key": "größe", "prompt_cache_options": {"a": [1, None]}},
}


@WAYS
@table("provider", PROVIDERS)
def test_options_reach_their_provider_unchanged_and_no_other(provider: str, way: Any) -> None:
    with speaking(SCRIPT) as twin:
        way(twin, asked(provider, LOOK, provider_options=OPTIONS))
        body = last_body(twin)
    assert {key: body[key] for key in OPTIONS[provider]} == OPTIONS[provider]
    others = {key for name in PROVIDERS if name != provider for key in OPTIONS[name]}
    assert not (others - set(OPTIONS[provider])) & set(body)


@WAYS
def test_cache_marks_are_sent_unchanged_with_their_header(way: Any) -> None:
    marked: Any = {
        "type": "text",
        "text": "Be brief.",
        "cache_control": {"type": "ephemeral", "ttl": "1h"},
    }
    kept = ProviderData("anthropic", marked)
    system = Message(
        Role.SYSTEM, [ContentPart(ContentKind.TEXT, text="Be brief.", provider_data=kept)]
    )
    options: Any = {"anthropic": {"beta_headers": ["extended-cache-ttl-2025-04-11"]}}
    with speaking(SCRIPT) as twin:
        way(twin, asked("anthropic", system, LOOK, provider_options=options))
        body: Any = last_body(twin)
        beta = twin.requests[-1].headers["anthropic-beta"]
        way(twin, asked("openai", system, LOOK))
        assert last_body(twin)["instructions"] == "Be brief."
    assert [json.dumps(one) for one in body["system"]] == [json.dumps(marked)]
    assert "cache_control" not in json.dumps([body["messages"], body["tools"]])
    assert beta == "extended-cache-ttl-2025-04-11,prompt-caching-2024-07-31"


def test_beta_headers_of_a_client_and_of_a_request_are_joined() -> None:
    options: Any = {"anthropic": {"beta_headers": ["two-2", "one-1"]}}
    request = asked("anthropic", LOOK, provider_options=options)

    async def work(adapter: AnthropicAdapter) -> None:
        async with Client(providers={"anthropic": adapter}) as client:
            await client.complete(request)
            assert [event async for event in client.stream(request)]

    with speaking(SCRIPT) as twin:
        headers = {"Anthropic-Beta": "one-1", "x-odd": "1"}
        url = twin.base_url("anthropic")
        asyncio.run(work(AnthropicAdapter(api_key="k", base_url=url, default_headers=headers)))
        sent = [one.headers for one in twin.requests]
    for found in sent:
        assert found["anthropic-beta"] == "one-1,two-2,prompt-caching-2024-07-31"
        assert found["x-odd"] == "1"


@table("provider", PROVIDERS)
def test_repeated_history_is_sent_unchanged(provider: str) -> None:
    """Otherwise no cache would match; only the cache marks move."""

    def turns(body: Any) -> list[str]:
        key = {"anthropic": "messages", "gemini": "contents", "openai": "input"}[provider]
        plain = json.dumps(body[key]).replace(', "cache_control": {"type": "ephemeral"}', "")
        return [json.dumps(one) for one in json.loads(plain)]

    with speaking(SCRIPT) as twin:
        first = ask(twin, asked(provider, LOOK))
        before = turns(last_body(twin))
        ask(twin, asked(provider, LOOK, first.message, *results(first)))
        after = turns(last_body(twin))
    assert len(after) > len(before)
    assert after[: len(before)] == before
