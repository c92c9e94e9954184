import json
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.json import JsonObject
from attractor.llm import (
    Client,
    ConfigurationError,
    ContentKind,
    ContentPart,
    Message,
    ProviderData,
    Request,
    Response,
    ResponseFormat,
    Role,
    StreamEvent,
    StreamEventType,
    ThinkingData,
    ToolCall,
    ToolDefinition,
    Warning,
)
from attractor.llm.middleware import Redaction
from attractor.llm.middleware.secret_placeholders import RestoredStream, Restoring
from tests.agent.scripted import ScriptedProvider, called, calls, said
from tests.llm.asking import ADAPTERS, a_request, last_body, speaking
from tests.llm.asking import ask as ask_twin
from tests.llm.middleware.asked import HELLO, ask, codes, hear, run, whole

PASSWORD = 'pass"word\nof two lines'
TOKEN = "token-of-a-test"
# Put together here, so that nobody takes them for keys.
KEYS = {
    "model provider": "sk-" + "a1B2" * 6,
    "code host": "ghp_" + "a1B2" * 9,
    "cloud": "AKIA" + "A1B2" * 4,
    "web token": ".".join(("eyJ" + "a1" * 8, "eyJ" + "b2" * 8, "c3" * 8)),
    "private key": "-----BEGIN " + "PRIVATE KEY-----\nMIIabc+/=\n-----END " + "PRIVATE KEY-----",
}


def sent(request: Request, redaction: Redaction) -> tuple[Request, Response]:
    provider = ScriptedProvider(said("hi"))
    answer = ask(provider, around=[redaction], request=request)
    return provider.requests[0], answer


def test_secrets_are_replaced_in_all_that_is_sent() -> None:
    own = ProviderData("gemini", {"text": TOKEN, "thoughtSignature": TOKEN})
    parts = [
        called("shell", {"command": f"login {TOKEN}", TOKEN: [TOKEN]}),
        called("shell", json.dumps({"command": PASSWORD}), id="call_2"),
        ContentPart(ContentKind.TEXT, text=f"So {TOKEN}.", provider_data=own),
    ]
    request = replace(
        HELLO,
        messages=[
            Message.system(f"The password is {PASSWORD}"),
            calls(*parts),
            Message.tool_result("call_1", {"out": [f"{TOKEN}{TOKEN}"]}),
            Message.tool_result("call_2", f"a {TOKEN}"),
        ],
        tools=[ToolDefinition("t", f"Takes {TOKEN}", {"type": "object", "default": TOKEN})],
        metadata={"user": TOKEN},
    )
    seen, answer = sent(request, Redaction([PASSWORD, TOKEN]))
    told = repr(replace(seen, messages=[*seen.messages[:1], *seen.messages[2:]]))
    assert TOKEN not in told
    assert PASSWORD not in told
    first, second, third = seen.messages[1].content
    assert first.tool_call is not None
    assert first.tool_call.arguments == {
        "command": "login [secret-2]",
        "[secret-2]": ["[secret-2]"],
    }
    assert second.tool_call is not None
    assert second.tool_call.arguments == '{"command": "[secret-1]"}'
    # What a provider has sealed is not ours to change.
    assert third.provider_data is not None
    assert third.provider_data.item == {"text": "[secret-2]", "thoughtSignature": TOKEN}
    assert answer.warnings == [
        Warning(
            "2 secrets were replaced in 13 places of what was sent to the model",
            "secrets_replaced",
        )
    ]


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_well_known_forms_are_found(kind: str) -> None:
    request = replace(HELLO, messages=[Message.user(f"use <{KEYS[kind]}>")])
    seen, answer = sent(request, Redaction())
    assert seen.messages[0].text == "use <[secret-1]>"
    assert codes(answer) == ["secrets_replaced"]


def test_one_secret_has_one_placeholder() -> None:
    one, two = KEYS["cloud"], KEYS["code host"]
    request = replace(HELLO, messages=[Message.user(f"{two} {one} {TOKEN} {two}")])
    seen, _ = sent(request, Redaction([TOKEN]))
    assert seen.messages[0].text == "[secret-2] [secret-3] [secret-1] [secret-2]"


def test_a_secret_that_begins_with_another_is_replaced_whole() -> None:
    request = replace(HELLO, messages=[Message.user(f"{TOKEN}-and-more")])
    seen, _ = sent(request, Redaction([TOKEN, f"{TOKEN}-and-more"]))
    assert seen.messages[0].text == "[secret-2]"


def test_secrets_that_overlap_are_replaced_together() -> None:
    request = replace(HELLO, messages=[Message.user("see acme-key-1234.")])
    seen, _ = sent(request, Redaction(["acme-key"], patterns=["key-[0-9]+"]))
    assert seen.messages[0].text == "see [secret-2]."


@pytest.mark.parametrize("value", ["secret", "secret-1", "[secret-2]"])
def test_nothing_is_replaced_in_a_placeholder(value: str) -> None:
    said_of_both = f"{TOKEN} and {value}"
    request = replace(HELLO, messages=[Message.user(said_of_both)])
    provider = ScriptedProvider(repeat)
    answer = ask(provider, around=[Redaction([TOKEN, value], restore=True)], request=request)
    assert answer.text == said_of_both
    [told] = [one.messages[0].text for one in provider.requests]
    assert re.fullmatch(r"\[secret-x*1\] and \[secret-x*2\]", told)


async def repeat(request: Request) -> Message:
    """Say what was said."""
    return said(request.messages[-1].text)


LINES = KEYS["private key"]
WRITES = json.dumps({"path": "key.pem", "text": LINES})


@pytest.mark.parametrize("first", ["text", "call"])
def test_a_key_of_several_lines_is_one_secret_in_texts_and_in_earlier_calls(first: str) -> None:
    kept = ProviderData("openai", {"type": "mcp_call", "arguments": WRITES})
    call = calls(called("write", WRITES), ContentPart("openai.mcp_call", provider_data=kept))
    told = [Message.user(f"This is it:\n{LINES}"), call, Message.tool_result("call_1", WRITES)]
    messages = told if first == "text" else [*told[1:], told[0]]
    again = calls(called("write", {"text": "[secret-1]"}))
    provider = ScriptedProvider(again)
    around = [Redaction(restore=True)]
    answer = ask(provider, around=around, request=replace(HELLO, messages=messages))
    shown = repr(provider.requests[0].messages)
    assert shown.count("[secret-1]") == 4
    assert "[secret-2]" not in shown
    assert "PRIVATE" not in shown
    assert answer.tool_calls[0].arguments == {"text": LINES}


def test_a_key_that_stands_only_as_json_writes_it_comes_back_as_it_stands() -> None:
    line = f"KEY={json.dumps(LINES)}"
    request = replace(HELLO, messages=[Message.user(line)])
    around = [Redaction(restore=True)]
    assert ask(ScriptedProvider(repeat), around=around, request=request).text == line


def test_the_text_of_a_call_stays_as_it_came_where_there_is_no_secret() -> None:
    messages = [Message.user(TOKEN), calls(called("write", '{ "b":1,"a" :2 }'))]
    seen, _ = sent(replace(HELLO, messages=messages), Redaction([TOKEN]))
    assert seen.messages[1] is not messages[1]
    assert [*seen.messages[1].content] == [*messages[1].content]


def test_what_a_pattern_finds_in_how_a_call_is_written_is_replaced_too() -> None:
    messages = [calls(called("write", '{"pin": 123456}'))]
    seen, _ = sent(replace(HELLO, messages=messages), Redaction(patterns=['"pin": [0-9]+']))
    assert "123456" not in repr(seen.messages)


FORM = ResponseFormat(
    "json_schema",
    {
        "type": "object",
        "description": f"As {TOKEN} has it.",
        "properties": {"login": {"enum": [PASSWORD, "none"]}},
    },
)


@pytest.mark.parametrize("listen", ["whole", "stream"])
def test_the_form_of_an_answer_has_no_secret_and_the_answer_stays_json(listen: str) -> None:
    provider = ScriptedProvider(said('{"login": "[secret-1]"}'))
    around = [Redaction([PASSWORD, TOKEN], restore=True)]
    request = replace(HELLO, response_format=FORM)
    if listen == "whole":
        answer = ask(provider, around=around, request=request)
    else:
        events = hear(provider, around=around, request=request)
        answer = whole(events)
        assert "".join(one.delta or "" for one in events) == answer.text
    assert provider.requests[0].response_format == ResponseFormat(
        "json_schema",
        {
            "type": "object",
            "description": "As [secret-2] has it.",
            "properties": {"login": {"enum": ["[secret-1]", "none"]}},
        },
    )
    assert json.loads(answer.text) == {"login": PASSWORD}


@pytest.mark.parametrize("listen", ["whole", "stream"])
def test_words_that_look_like_a_placeholder_stay_what_they_are(listen: str) -> None:
    words = f"[secret-1], [secret-x1] and [secret-xxx1] are not {TOKEN}"
    request = replace(HELLO, messages=[Message.user(words)])
    provider, around = ScriptedProvider(repeat), [Redaction([TOKEN], restore=True)]
    if listen == "whole":
        answer = ask(provider, around=around, request=request)
    else:
        answer = whole(hear(provider, around=around, request=request))
    assert provider.requests[0].messages[0].text == words.replace(TOKEN, "[secret-xx1]")
    assert answer.text == words
    assert codes(answer) == ["secrets_replaced"]


def test_the_models_own_placeholders_that_were_never_restored_change_nothing() -> None:
    thought = ContentPart(
        ContentKind.THINKING,
        thinking=ThinkingData("I use [secret-1]", "signed"),
        provider_data=ProviderData("openai", {"summary": "I use [secret-1]"}),
    )
    messages = [Message.user(TOKEN), Message(Role.ASSISTANT, [thought])]
    seen, _ = sent(replace(HELLO, messages=messages), Redaction([TOKEN], restore=True))
    assert seen.messages[0].text == "[secret-1]"
    # Who gets nothing back sees the words of the model in its next request.
    messages = [Message.user(TOKEN), Message.assistant("I use [secret-1]")]
    seen, _ = sent(replace(HELLO, messages=messages), Redaction([TOKEN]))
    assert [one.text for one in seen.messages] == ["[secret-1]", "I use [secret-1]"]


def test_where_there_is_no_secret_nothing_changes() -> None:
    provider = ScriptedProvider(said("[secret-1]"))
    answer = ask(provider, around=[Redaction([TOKEN], restore=True)])
    assert provider.requests[0].messages is HELLO.messages
    assert (answer.text, answer.warnings) == ("[secret-1]", ())


def test_a_signed_thought_with_a_secret_is_left_out() -> None:
    thought = ContentPart(ContentKind.THINKING, thinking=ThinkingData(f"so {TOKEN}", "signed"))
    kept = ContentPart(ContentKind.THINKING, thinking=ThinkingData("so", "signed"))
    request = replace(HELLO, messages=[Message(Role.ASSISTANT, [thought, kept])])
    seen, answer = sent(request, Redaction([TOKEN]))
    assert seen.messages[0].content == [kept]
    assert codes(answer) == ["secrets_replaced"]


ASKS = replace(HELLO, messages=[Message.user(f"log in with {PASSWORD} and {TOKEN}")])
ANSWER = calls(
    called("shell", {"command": "login [secret-1]"}),
    called("shell", '{"command": "login [secret-1]"}', id="call_2"),
    text="I use [secret-1] and [secret-2], not [secret-3].",
)


def test_placeholders_come_back_as_secrets_if_that_is_wished() -> None:
    around = [Redaction([PASSWORD, TOKEN], restore=True)]
    whole_answer = ask(ScriptedProvider(ANSWER), around=around, request=ASKS)
    events = hear(ScriptedProvider(ANSWER), around=around, request=ASKS)
    for answer in (whole_answer, whole(events)):
        assert answer.text == f"I use {PASSWORD} and {TOKEN}, not [secret-3]."
        for call in answer.tool_calls:
            assert call.arguments == {"command": f"login {PASSWORD}"}
        assert codes(answer) == ["secrets_replaced"]
    assert "".join(one.delta or "" for one in events) == whole_answer.text
    ended = [one.tool_call for one in events if one.type == StreamEventType.TOOL_CALL_END]
    assert [one.arguments for one in ended if one] == [{"command": f"login {PASSWORD}"}] * 2
    assert events[0].start is not None
    assert [one.code for one in events[0].start.warnings] == ["secrets_replaced"]
    plain = ask(ScriptedProvider(ANSWER), around=[Redaction([PASSWORD, TOKEN])], request=ASKS)
    assert plain.message == ANSWER


SECRETS = {"[secret-1]": PASSWORD, "[secret-12]": TOKEN, "[secret-xxxxxxxxxxxx1]": TOKEN}
PIECES = st.sampled_from(
    [*SECRETS, "[secret-3]", "[", "[sec", "ret-1", "]", " ", "a", "[[secret-1"]
)


def cut(text: str, places: Sequence[int]) -> list[str]:
    at = sorted({0, len(text), *(one % (len(text) + 1) for one in places)})
    return [text[begin:end] for begin, end in zip(at, at[1:], strict=False)]


@given(st.lists(PIECES, max_size=8), st.lists(st.integers(0, 99), max_size=8))
def test_pieces_come_to_the_same_as_the_whole(words: list[str], places: list[int]) -> None:
    text, restoring = "".join(words), Restoring(SECRETS)
    stream = RestoredStream(restoring)
    heard, written = "", ""
    for piece in cut(text, places):
        delta = StreamEvent(StreamEventType.TEXT_DELTA, text_id="1", delta=piece)
        heard += "".join(one.delta or "" for one in stream.events(delta))
        call = ToolCall("1", "t", {}, piece)
        delta = StreamEvent(StreamEventType.TOOL_CALL_DELTA, tool_call=call)
        written += "".join(raw(one) for one in stream.events(delta))
    end = StreamEvent(StreamEventType.TEXT_END, text_id="1", text=text)
    *rest, ended = stream.events(end)
    heard += "".join(one.delta or "" for one in rest)
    over = StreamEvent(StreamEventType.TOOL_CALL_END, tool_call=ToolCall("1", "t", {}, text))
    *rest, _ = stream.events(over)
    written += "".join(raw(one) for one in rest)
    assert heard == ended.text == restoring.text(text)
    assert written == restoring.written(text)


def raw(event: StreamEvent) -> str:
    return (event.tool_call and event.tool_call.raw_arguments) or ""


@pytest.mark.parametrize("provider", ADAPTERS)
def test_over_http_no_secret_leaves_and_every_one_comes_back(provider: str) -> None:
    script = """
    [[rules]]
    [rules.answer]
    text = "I log in with [secret-1] now, once more [secret-1]."
    tool_calls = [{ name = "shell", arguments = { command = "login [secret-1] [secret-2]" } }]
    """
    key = KEYS["model provider"]
    request = a_request(provider, f"log in with {PASSWORD} or {key}")
    around = [Redaction([PASSWORD], restore=True)]

    async def hearing(environ: dict[str, str]) -> list[StreamEvent]:
        async with Client.from_env(environ, middleware=around) as client:
            return [one async for one in client.stream(request)]

    with speaking(script) as twin:
        answer = ask_twin(twin, request, middleware=around)
        assert "[secret-1] or [secret-2]" in json.dumps(last_body(twin))
        events = run(hearing(dict(twin.environ())))
        assert all(key not in json.dumps(one.body) for one in twin.requests)
    arguments: JsonObject = {"command": f"login {PASSWORD} {key}"}
    for one in (answer, whole(events)):
        assert one.text == f"I log in with {PASSWORD} now, once more {PASSWORD}."
        assert [call.arguments for call in one.tool_calls] == [arguments]
    assert "".join(one.delta or "" for one in events) == answer.text


def test_what_would_be_found_everywhere_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="fewer than 6 characters"):
        Redaction(["abc"])
    with pytest.raises(ConfigurationError, match="found in every text"):
        Redaction(patterns=["a*"])
    with pytest.raises(ConfigurationError, match="is none"):
        Redaction(patterns=["("])
