import json
from base64 import b64encode
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from attractor.llm import (
    ConfigurationError,
    ContentKind,
    ContentPart,
    Message,
    ProviderData,
    Request,
    Response,
    ResponseFormat,
    Role,
    ThinkingData,
    ToolDefinition,
    Warning,
)
from attractor.llm.middleware import WELL_KNOWN, Redaction
from tests.agent.scripted import ScriptedProvider, called, calls, said
from tests.llm.asking import ADAPTERS, a_request, ask as ask_twin, last_body, speaking
from tests.llm.middleware.asked import HELLO, ask, codes, hear, whole
from tests.tables import table

PASSWORD = 'pass"word\nof two lines'
TOKEN = "token-of-a-test"
# Composed here, so that scanners do not report them.
KEYS = {
    "model provider": "sk-" + "a1B2" * 6,
    "code host": "ghp_" + "a1B2" * 9,
    "cloud": "AKIA" + "A1B2" * 4,
    "web token": ".".join(("eyJ" + "a1" * 8, "eyJ" + "b2" * 8, "c3" * 8)),
    "private key": "-----BEGIN " + "PRIVATE KEY-----\nMIIabc+/=\n-----END " + "PRIVATE KEY-----",
}


def send(request: Request, redaction: Redaction) -> tuple[Request, Response]:
    provider = ScriptedProvider(said("hi"))
    answer = ask(provider, around=[redaction], request=request)
    return provider.requests[0], answer


def redact(text: str, redaction: Redaction) -> str:
    request = replace(HELLO, messages=[Message.user(text)])
    return send(request, redaction)[0].messages[0].text


def test_redact_every_text_of_a_request() -> None:
    own = ProviderData("gemini", {"text": TOKEN, "thoughtSignature": TOKEN})
    parts = [
        called("shell", {"command": f"login {TOKEN}", TOKEN: [TOKEN, 1]}),
        called("shell", json.dumps({"command": PASSWORD}), id="call_2"),
        ContentPart(ContentKind.TEXT, text=f"So {TOKEN}.", provider_data=own),
    ]
    schema = {"type": "object", "default": TOKEN}
    request = replace(
        HELLO,
        messages=[
            Message.system(f"The password is {PASSWORD}"),
            calls(*parts),
            Message.tool_result("call_1", {"out": [f"{TOKEN}{TOKEN}"]}),
            Message.tool_result("call_2", f"a {TOKEN}"),
        ],
        tools=[ToolDefinition("t", f"Takes {TOKEN}", schema)],
        response_format=ResponseFormat("json_schema", schema),
        metadata={"user": TOKEN},
    )
    sent, answer = send(request, Redaction([PASSWORD, TOKEN]))
    first, second, third = sent.messages[1].content
    assert first.tool_call is not None
    assert first.tool_call.arguments == {"command": "login [secret]", "[secret]": ["[secret]", 1]}
    assert second.tool_call is not None
    assert second.tool_call.arguments == '{"command": "[secret]"}'
    # Signatures must not be changed.
    assert third.provider_data is not None
    assert third.provider_data.item == {"text": "[secret]", "thoughtSignature": TOKEN}
    others = repr(replace(sent, messages=[*sent.messages[:1], *sent.messages[2:]]))
    assert TOKEN not in others
    assert PASSWORD not in others
    assert answer.warnings == (Warning("replaced secrets in 14 places", "secrets_replaced"),)


def test_redact_encoded_and_split_values() -> None:
    value = 'Pa/ss+W"rd-0123'
    encoded = value.encode()
    forms = [value, encoded.hex(), encoded.hex().upper(), b64encode(encoded).decode()]
    forms += [quote(value, safe=""), quote(value, safe="").replace("F", "f").replace("B", "b")]
    for form in [*forms, *(f"{form[:7]}\n{form[7:]}" for form in forms)]:
        assert redact(f"use <{form}>", Redaction([value])) == "use <[secret]>", form


@table("kind", KEYS)
def test_redact_well_known_keys(kind: str) -> None:
    assert redact(f"use <{KEYS[kind]}>", Redaction()) == "use <[secret]>"


def test_overlapping_secrets_have_one_placeholder() -> None:
    redaction = Redaction([TOKEN, f"{TOKEN}-and-more", "acme-key"], patterns=["key-[0-9]+"])
    assert redact(f"{TOKEN}-and-more, acme-key-1234.", redaction) == "[secret], [secret]."


@given(st.text('abq"\\x', max_size=30))
def test_no_value_remains(text: str) -> None:
    values = ["abaabaab", 'aq"q"qaq']
    redacted = redact(text, Redaction(values, patterns=[]))
    assert not any(value in redacted for value in values)


def test_request_without_secrets_is_unchanged() -> None:
    sent, answer = send(HELLO, Redaction([TOKEN]))
    assert sent.messages is HELLO.messages
    assert answer.warnings == ()


def test_signed_thinking_with_a_secret_is_left_out() -> None:
    secret = ContentPart(ContentKind.THINKING, thinking=ThinkingData(f"so {TOKEN}", "signed"))
    other = ContentPart(ContentKind.THINKING, thinking=ThinkingData("so", "signed"))
    request = replace(HELLO, messages=[Message(Role.ASSISTANT, [secret, other])])
    sent, answer = send(request, Redaction([TOKEN]))
    assert sent.messages[0].content == (other,)
    assert codes(answer) == ["secrets_replaced"]


def test_streams_have_the_warning_at_both_ends() -> None:
    request = replace(HELLO, messages=[Message.user(f"use {TOKEN}")])
    events = hear(ScriptedProvider(said("hi")), around=[Redaction([TOKEN])], request=request)
    assert events[0].start is not None
    assert [warning.code for warning in events[0].start.warnings] == ["secrets_replaced"]
    assert codes(whole(events)) == ["secrets_replaced"]


@table("provider", ADAPTERS)
def test_no_secret_is_sent_over_http(provider: str) -> None:
    request = a_request(provider, f"log in with {PASSWORD} or {KEYS['model provider']}")
    with speaking("rules = [{ answer.text = 'Hello.' }]") as twin:
        ask_twin(twin, request, middleware=[Redaction([PASSWORD])])
        assert "log in with [secret] or [secret]" in json.dumps(last_body(twin))


def test_reject_patterns_without_linear_time_and_those_that_match_anything() -> None:
    with pytest.raises(ConfigurationError, match="shorter than 4 characters"):
        Redaction(["abc"])
    with pytest.raises(ConfigurationError, match="matches every text"):
        Redaction(patterns=["a*"])
    for pattern in ("(", "(?=a)b"):
        with pytest.raises(ConfigurationError, match="invalid pattern") as caught:
            Redaction(patterns=[pattern])
        assert "without look-around" in str(caught.value.hint)
    redaction = Redaction(patterns=[*WELL_KNOWN, "(?:a+)+$"])
    for unit in ("eyJ", "-----BEGIN PRIVATE KEY-----", "é\ud800"):
        assert redact(long := unit * 50_000, redaction) == long
    text = f"é\ud800 {'a' * 100}! {KEYS['web token']} {KEYS['cloud']}"
    assert redact(text, redaction) == f"é\ud800 {'a' * 100}! [secret] [secret]"
