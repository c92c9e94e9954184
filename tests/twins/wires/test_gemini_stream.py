from typing import Any

import pytest

from attractor.twins.errors import Rejection
from attractor.twins.wires.gemini import part
from tests.twins.exchanging import HELLO, answer
from tests.twins.streaming import events, stream

SCRIPT = """
[[rules]]
[rules.answer]
thinking = "I look at the file."
text = "All is well, so far."
tool_calls = [{ name = "shell", arguments = { a = 1 } }]
usage = { input = 100, output = 9 }
"""
WORDS = 'rules = [{ answer = { text = "All is well, so far.", thinking = "I look." } }]'


def parts(script: str) -> list[Any]:
    return [
        one["candidates"][0]["content"]["parts"][0] for one in events(stream("gemini", script).body)
    ]


def test_text_after_thinking_is_signed_in_the_last_chunk() -> None:
    *_, words, last = parts(WORDS)
    assert words == {"text": "so far."}
    assert (last["text"], bool(last["thoughtSignature"])) == ("", True)


def test_a_conversation_may_be_kept_chunk_by_chunk() -> None:
    user = {"role": "user", "parts": [{"text": "hello"}]}
    chunks = [{"role": "model", "parts": [one]} for one in parts(SCRIPT)]
    result = {"functionResponse": {"name": "shell", "response": {"result": "x"}}}
    body = HELLO["gemini"] | {"contents": [user, *chunks, {"role": "user", "parts": [result]}]}
    assert answer("gemini", body)


def test_an_error_in_the_middle_is_a_chunk() -> None:
    fault = '{ kind = "status", status = 503, message = "busy", after = 2 }'
    script = f'rules = [{{ answer = {{ text = "a b c d", fault = {fault} }} }}]'
    recorded = events(stream("gemini", script).body)
    error = {"code": 503, "message": "busy", "status": "UNAVAILABLE"}
    assert (len(recorded), recorded[-1]) == (3, {"error": error})


def test_the_path_asks_for_a_stream() -> None:
    assert part.wants_stream({}, "/v1beta/models/m:streamGenerateContent?alt=sse&key=k")
    assert not part.wants_stream({}, "/v1beta/models/m:generateContent?alt=sse")
    for query in ("", "?alt=json"):
        with pytest.raises(Rejection, match=r"only as streamGenerateContent\?alt=sse"):
            part.wants_stream({}, f"/v1beta/models/m:streamGenerateContent{query}")
