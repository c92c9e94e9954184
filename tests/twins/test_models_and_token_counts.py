from pathlib import Path
from typing import Any

import httpx

from attractor.twins.pytest_plugin import StartTwin
from attractor.twins.recordings.recording import BodyPiece, Recording
from tests.tables import table
from tests.twins.exchanging import KEYS

SCRIPT = """
[[rules]]
when = { model = "mine", wire = "openai" }
answer.text = "a"
[[rules]]
when = { model = "yours", wire = "anthropic" }
answer.text = "b"
[[rules]]
when = { model = "everybodys" }
answer.text = "c"
[[rules]]
when = { model = "some-*" }
answer.text = "d"
"""
HELLO: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
CONTENTS = [{"role": "user", "parts": [{"text": "hello, you"}]}]
COUNTS = "/v1beta/models/m:countTokens"


@table(
    ("wire", "path", "names"),
    [
        ("openai", "/v1/models", ["mine", "everybodys"]),
        ("anthropic", "/v1/models", ["yours", "everybodys"]),
        ("gemini", "/v1beta/models", ["everybodys"]),
        ("gemini", "/v1/models", ["everybodys"]),
    ],
)
def test_every_listed_model_can_be_retrieved(
    provider_twin: StartTwin, wire: str, path: str, names: list[str]
) -> None:
    twin = provider_twin(SCRIPT)
    with httpx.Client(base_url=twin.url, headers=KEYS[wire]) as client:
        listed: Any = client.get(path).json()
        models = listed["models" if wire == "gemini" else "data"]
        assert [client.get(f"{path}/{one}").json() for one in names] == models
        others = {"mine", "yours", "some-*", "some-x", "a/b", ""} - set(names)
        found = [client.get(f"{path}/{one}") for one in sorted(others)]
    assert {one.status_code for one in found} == {404}
    assert all("error" in one.json() for one in found)
    received = twin.requests[1]
    assert (received.method, received.wire, received.model, received.status) == (
        "GET",
        wire,
        names[0],
        200,
    )


def test_retrieving_a_model_needs_a_key(provider_twin: StartTwin) -> None:
    place = f"{provider_twin(SCRIPT).url}/v1/models/mine"
    assert httpx.get(place).status_code == 401
    assert httpx.get(place, headers={"anthropic-version": "1"}).status_code == 401
    gemini = f"{provider_twin(SCRIPT).url}/v1beta/models/everybodys"
    assert [httpx.get(gemini).status_code, httpx.get(f"{gemini}?key=k").status_code] == [403, 200]


def post(url: str, body: Any, wire: str) -> httpx.Response:
    return httpx.post(url, json=body, headers=KEYS[wire])


def test_token_count_equals_reported_usage(provider_twin: StartTwin) -> None:
    twin = provider_twin('rules = [{ answer.text = "a" }]')
    said = HELLO | {"system": [{"type": "text", "text": "Be brief."}]}
    counted = post(f"{twin.url}/v1/messages/count_tokens", said, "anthropic").json()
    answer = post(f"{twin.url}/v1/messages", said | {"max_tokens": 1}, "anthropic").json()
    assert counted == {"input_tokens": answer["usage"]["input_tokens"]}
    asked = twin.requests[0]
    assert (asked.path, asked.model, asked.rule) == ("/v1/messages/count_tokens", "m", "")


def test_openai_counts_input_tokens(provider_twin: StartTwin) -> None:
    twin = provider_twin('rules = [{ answer.text = "a" }]')
    said = {"model": "m", "input": "hello", "instructions": "Be brief."}
    counted = post(f"{twin.url}/v1/responses/input_tokens", said, "openai").json()
    answer = post(f"{twin.url}/v1/responses", said, "openai").json()
    assert counted == {
        "object": "response.input_tokens",
        "input_tokens": answer["usage"]["input_tokens"],
    }
    refused = post(f"{twin.url}/v1/responses/input_tokens", said | {"stream": True}, "openai")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "stream")


def test_gemini_counts_contents_or_a_whole_request(provider_twin: StartTwin) -> None:
    twin = provider_twin('rules = [{ answer.text = "a" }]')
    whole = {
        "model": "models/m",
        "contents": CONTENTS,
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
    }
    tokens = [
        post(twin.url + COUNTS, one, "gemini").json()["totalTokens"]
        for one in ({"contents": CONTENTS}, {"generateContentRequest": whole})
    ]
    assert tokens == [3, 5]
    asked = {name: one for name, one in whole.items() if name != "model"}
    answer = post(f"{twin.url}/v1beta/models/m:generateContent", asked, "gemini").json()
    assert answer["usageMetadata"]["promptTokenCount"] == 5


@table(
    ("body", "message"),
    [
        ({}, "contents"),
        ({"contents": CONTENTS, "generateContentRequest": {}}, "give either contents or"),
        ({"generateContentRequest": 5}, "give either contents or"),
        ({"contents": CONTENTS, "tools": []}, "tools: unknown field"),
        ({"generateContentRequest": {"contents": CONTENTS, "tols": []}}, "tols: unknown field"),
    ],
)
def test_gemini_counts_nothing_else(provider_twin: StartTwin, body: Any, message: str) -> None:
    answer = post(provider_twin("rules = []").url + COUNTS, body, "gemini")
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert message in answer.json()["error"]["message"]


def test_recordings_come_before_counting(provider_twin: StartTwin, tmp_path: Path) -> None:
    path = "/v1/messages/count_tokens"
    recorded = Recording(
        version=1,
        wire="anthropic",
        path=path,
        request=HELLO,
        status=200,
        headers={"content-type": "application/json"},
        body=(BodyPiece(at=0, text='{"input_tokens": 77}'),),
    )
    file = tmp_path / "calls.jsonl"
    file.write_text(recorded.to_json() + "\n")
    alone = provider_twin(replay=file).url
    both = provider_twin(SCRIPT, replay=file).url
    for url in (alone, both):
        assert post(url + path, HELLO, "anthropic").json() == {"input_tokens": 77}
    other = HELLO | {"system": "sys"}
    assert post(both + path, other, "anthropic").json() == {"input_tokens": 3}
    unknown = [
        post(alone + path, other, "anthropic"),
        httpx.get(f"{alone}/v1/models/m", headers=KEYS["anthropic"]),
    ]
    for one in unknown:
        assert (one.status_code, one.json()["error"]["type"]) == (400, "no_recording")
