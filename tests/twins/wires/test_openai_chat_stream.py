from typing import Any

from tests.twins.streaming import events, stream

WIRE = "openai_chat"
SCRIPT = """
[[rules]]
[rules.answer]
thinking = "I look."
text = "All is well now."
tool_calls = [{ name = "shell", arguments = { command = "ls" } }, { name = "none" }]
"""


def stream_chunks(**more: Any) -> list[Any]:
    return events(stream(WIRE, SCRIPT, **more).body)


def deltas(chunks: list[Any]) -> list[Any]:
    return [one["choices"][0]["delta"] for one in chunks if one["choices"]]


def test_usage_comes_last_on_request() -> None:
    *before, last = stream_chunks()
    assert {one["usage"] for one in before} == {None}
    assert (last["choices"], last["usage"]["prompt_tokens"]) == ([], 2)
    for options in (None, {}, {"include_usage": False}):
        assert not [one for one in stream_chunks(stream_options=options) if "usage" in one]


def test_stream_with_only_tool_calls_starts_without_content() -> None:
    script = 'rules = [{ answer = { tool_calls = [{ name = "n" }] } }]'
    assert deltas(events(stream(WIRE, script).body))[0]["content"] is None


def test_an_error_in_the_middle_is_a_chunk_of_its_own() -> None:
    fault = '{ kind = "status", status = 429, message = "no", after = 2 }'
    script = f'rules = [{{ answer = {{ text = "a", fault = {fault} }} }}]'
    sent = stream(WIRE, script).body
    assert len(events(sent)) == 3
    assert events(sent)[-1] == {
        "error": {"message": "no", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    }
    assert b"[DONE]" not in sent
