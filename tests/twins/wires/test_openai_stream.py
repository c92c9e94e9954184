from tests.twins.streaming import events, names, stream

SCRIPT = """
[[rules]]
[rules.answer]
thinking = "I look."
redacted_thinking = "secret"
text = "All is well."
tool_calls = [{ name = "shell", arguments = { a = 1 } }]
"""
ENCRYPTED = {"include": ["reasoning.encrypted_content"]}
TALK = """
response.created response.in_progress
response.output_item.added response.reasoning_summary_part.added
response.reasoning_summary_text.delta response.reasoning_summary_text.done
response.reasoning_summary_part.done response.output_item.done
response.output_item.added response.output_item.done
response.output_item.added response.content_part.added
response.output_text.delta response.output_text.done
response.content_part.done response.output_item.done
response.output_item.added response.function_call_arguments.delta
response.function_call_arguments.done response.output_item.done
response.completed
"""


def test_events_come_in_the_providers_order_under_their_names() -> None:
    sent = stream("openai", SCRIPT, **ENCRYPTED).body
    assert names(sent) == [one["type"] for one in events(sent)] == TALK.split()
    assert sent.startswith(b'event: response.created\ndata: {"type":"response.created",')


def test_events_reference_their_item() -> None:
    recorded = events(stream("openai", SCRIPT, **ENCRYPTED).body)
    items = {one["output_index"]: one["item"]["id"] for one in recorded if "item" in one}
    for one in recorded:
        if "item_id" in one:
            assert one["item_id"] == items[one["output_index"]]
    word = next(one for one in recorded if one["type"] == "response.output_text.delta")
    assert (word["content_index"], word["logprobs"], word["delta"]) == (0, [], "All is well.")
    thought = next(one for one in recorded if "reasoning_summary_text" in one["type"])
    assert (thought["summary_index"], thought["delta"]) == (0, "I look.")


def test_encrypted_content_comes_with_the_finished_item() -> None:
    recorded = events(stream("openai", SCRIPT, **ENCRYPTED).body)
    items = [one for one in recorded if one.get("item", {}).get("type") == "reasoning"]
    hidden = [bool(one["item"]["encrypted_content"]) for one in items]
    assert hidden == [False, True, False, True]


def test_error_in_a_stream_fails_the_response() -> None:
    fault = '{ kind = "status", status = 429, message = "no", after = 4 }'
    script = f'rules = [{{ answer = {{ text = "a", fault = {fault} }} }}]'
    recorded = events(stream("openai", script).body)
    assert [one["sequence_number"] for one in recorded] == list(range(6))
    assert recorded[4] == {
        "type": "error",
        "sequence_number": 4,
        "error": {
            "type": "requests",
            "code": "rate_limit_exceeded",
            "message": "no",
            "param": None,
        },
    }
    failed = recorded[5]["response"]
    assert (recorded[5]["type"], failed["status"]) == ("response.failed", "failed")
    assert failed["error"] == {"code": "rate_limit_exceeded", "message": "no"}
    assert failed["id"] == recorded[0]["response"]["id"]


def test_an_error_without_a_code_in_the_middle_is_the_servers() -> None:
    fault = '{ kind = "status", message = "no", after = 4 }'
    script = f'rules = [{{ answer = {{ text = "a", fault = {fault} }} }}]'
    *_, error, failed = events(stream("openai", script).body)
    assert (error["error"]["type"], error["error"]["code"]) == ("server_error", None)
    assert failed["response"]["error"] == {"code": "server_error", "message": "no"}
