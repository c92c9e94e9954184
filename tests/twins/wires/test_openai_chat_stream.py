from typing import Any

from tests.twins.streaming import DONE, events, events_of, names, stream

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


def test_chunks_are_unnamed_and_end_with_done() -> None:
    sent = stream(WIRE, SCRIPT).body
    assert set(names(sent)) == {"message"}
    assert [one.data for one in events_of(sent)][-1] == DONE
    assert sent.endswith(b"\n\ndata: [DONE]\n\n")


def test_every_chunk_has_the_response_id() -> None:
    heads = [(one["id"], one["object"], one["created"], one["model"]) for one in stream_chunks()]
    assert len(set(heads)) == 1
    assert heads[0][1:] == ("chat.completion.chunk", 1_767_225_600, "gpt-5")


def test_deltas_are_role_thinking_text_and_calls() -> None:
    first, thought, word, more, shell, *pieces, none, empty, last = deltas(stream_chunks())
    assert first == {"role": "assistant", "content": "", "refusal": None}
    assert thought == {"reasoning_content": "I look."}
    assert (word, more) == ({"content": "All is well "}, {"content": "now."})
    (begun,) = shell["tool_calls"]
    assert (begun["index"], begun["type"], bool(begun["id"])) == (0, "function", True)
    assert begun["function"] == {"name": "shell", "arguments": ""}
    assert [list(one["tool_calls"][0]) for one in pieces] == [["index", "function"]] * 2
    texts = [one["tool_calls"][0]["function"]["arguments"] for one in pieces]
    assert "".join(texts) == '{"command": "ls"}'
    assert (none["tool_calls"][0]["index"], none["tool_calls"][0]["function"]["name"]) == (
        1,
        "none",
    )
    assert empty["tool_calls"][0]["function"] == {"arguments": "{}"}
    assert last == {}


def test_finish_reason_is_only_in_the_last_choice() -> None:
    chunks = [one["choices"][0]["finish_reason"] for one in stream_chunks() if one["choices"]]
    assert chunks == [None] * (len(chunks) - 1) + ["tool_calls"]


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
