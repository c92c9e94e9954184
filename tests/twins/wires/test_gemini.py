from typing import Any

from attractor.twins.wires.gemini import part
from tests.twins.exchanging import HELLO, KEYS, answer, refusal

SCRIPT = """
[[rules]]
[rules.answer]
thinking = "abcdefgh"
redacted_thinking = "secret"
text = "Hi."
tool_calls = [
    { name = "shell", arguments = { command = "ls" } },
    { name = "odd", raw_arguments = "{}" },
]
usage = { input = 100, output = 9, cache_read = 60 }
"""
SIGNED = {"thoughtSignature": "skip_thought_signature_validator"}
CALL: dict[str, Any] = {"functionCall": {"name": "shell", "args": {"a": "é"}}, **SIGNED}
RESULT = {"functionResponse": {"name": "shell", "response": {"result": "todo.py"}}}

NO_PARTS: list[Any] = []


def response(name: str, value: Any = None) -> dict[str, Any]:
    """Make the part with a function's result."""
    return {"functionResponse": {"name": name, "response": {} if value is None else value}}


def ask(*turns: Any, **more: Any) -> dict[str, Any]:
    """Make a conversation that begins with the user; a text is a part by itself."""
    said = [
        {
            "role": ("user", "model")[number % 2],
            "parts": [{"text": turn}] if isinstance(turn, str) else turn,
        }
        for number, turn in enumerate(turns)
    ]
    return {"model": "gemini-3-pro", "contents": said, **more}


def said(script: str = SCRIPT, **more: Any) -> list[dict[str, Any]]:
    found = answer("gemini", {**HELLO["gemini"], **more}, script)
    return found["candidates"][0]["content"]["parts"]


def test_first_call_or_text_after_thinking_is_signed() -> None:
    def signed(text: str) -> list[bool]:
        parts = said(f"rules = [{{ answer = {{ {text} }} }}]", generationConfig={})
        return ["thoughtSignature" in one for one in parts]

    assert signed('text = "a", tool_calls = [{ name = "b" }, { name = "c" }]') == [0, 1, 0]
    assert signed('text = "a", thinking = "b"') == [True]
    assert signed('redacted_thinking = "b"') == [True]
    assert signed('text = "a"') == [False]


def test_thoughts_are_included_on_request_only() -> None:
    configs: list[Any] = [
        {},
        {"thinkingConfig": {}},
        {"thinkingConfig": {"includeThoughts": False}},
    ]
    for config in configs:
        assert not any(one.get("thought") for one in said(generationConfig=config))


def test_usage_counts_thoughts_separately() -> None:
    usage = answer("gemini", HELLO["gemini"], SCRIPT)["usageMetadata"]
    assert usage == {
        "promptTokenCount": 100,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 2,
        "cachedContentTokenCount": 60,
        "totalTokenCount": 109,
    }
    counted = answer("gemini", ask("x" * 40, systemInstruction={"parts": [{"text": "y" * 39}]}))
    assert counted["usageMetadata"] == {
        "promptTokenCount": 20,
        "candidatesTokenCount": 1,
        "totalTokenCount": 21,
    }


def test_changed_thinking_is_rejected() -> None:
    thought, _, call, odd = said()
    result = response("odd")
    assert answer("gemini", ask("a", [thought, call, odd], [RESULT, result]))
    for changed in (
        [thought | {"text": "abcdefgX"}, call, odd],
        [thought | {"thoughtSignature": "x"}, call, odd],
        [thought, call | {"thoughtSignature": "x"}, odd],
    ):
        status, error = refusal("gemini", ask("a", changed, [RESULT, result]))
        assert (status, error["message"]) == (400, "thoughtSignature: changed")


PNG = {"mimeType": "image/png", "data": "cG5n"}


def test_a_conversation_is_read_by_turns_in_either_spelling() -> None:
    body = ask(
        "look",
        [{"text": "hm", "thought": True}, {"text": "a"}, CALL],
        [{"function_response": {"name": "shell", "response": {"a": 1}}}],
        system_instruction={"parts": [{"text": "Be brief."}, {"text": "Be quick."}]},
    )
    body["contents"].append({"role": "user", "parts": [{"text": "b"}, {"inlineData": PNG}]})
    talk = part.read(KEYS["gemini"], body)
    assert (talk.system, talk.first_user, talk.last_user) == ("Be brief.\nBe quick.", "look", "b")
    assert [turn.speaker for turn in talk.turns] == ["user", "assistant", "tool", "user"]
    assert talk.turns[1].text == 'a\nshell({"a": "é"})'
    assert (talk.tool_result, talk.step) == ('{"a": 1}', 1)


def test_function_response_is_read_as_text() -> None:
    for response, text in (
        ({"result": "x"}, "x"),
        ({"error": "x"}, "x"),
        ({"output": "x"}, "x"),
        ({"result": ["x"]}, '{"result": ["x"]}'),
        ({"result": "x", "more": 1}, '{"result": "x", "more": 1}'),
        ({}, "{}"),
    ):
        result = {"functionResponse": {"name": "shell", "response": response}}
        assert part.read(KEYS["gemini"], ask("a", [CALL], [result])).tool_result == text


def test_retry_delay_is_in_the_error_details() -> None:
    fault = '{ kind = "status", status = 429, code = "ABORTED", retry_after = "1500ms" }'
    script = f"rules = [{{ answer = {{ fault = {fault} }} }}]"
    _, error = refusal("gemini", HELLO["gemini"], script=script)
    (detail,) = error["details"]
    assert (error["status"], detail["retryDelay"]) == ("ABORTED", "1.500000s")
    assert detail["@type"].endswith("google.rpc.RetryInfo")


def test_models_are_listed_by_the_providers_names() -> None:
    listed: Any = part.write_models(KEYS["gemini"], ["gemini-x"])["models"]
    (model,) = listed
    assert model == {
        "name": "models/gemini-x",
        "displayName": "gemini-x",
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }
