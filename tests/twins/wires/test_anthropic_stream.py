from tests.twins.streaming import events, names, stream

SCRIPT = """
[[rules]]
[rules.answer]
thinking = "I look."
redacted_thinking = "secret"
text = "All is well."
tool_calls = [{ name = "shell", arguments = { a = 1 } }, { name = "none" }]
usage = { input = 100, output = 9, cache_read = 60, cache_write = 30 }
"""


def test_events_come_in_the_providers_order_under_their_names() -> None:
    sent = stream("anthropic", SCRIPT).body
    start, delta, stop = "content_block_start", "content_block_delta", "content_block_stop"
    assert names(sent) == [one["type"] for one in events(sent)]
    assert names(sent) == [
        *("message_start", start, "ping", delta, delta, stop),
        *(start, stop),
        *(start, delta, stop),
        *(start, delta, delta, stop),
        *(start, delta, stop),
        *("message_delta", "message_stop"),
    ]
    assert b'event: ping\ndata: {"type":"ping"}\n\n' in sent


def test_an_error_in_the_middle_is_an_event_of_its_own() -> None:
    fault = '{ kind = "status", status = 529, message = "busy", after = 4 }'
    script = f'rules = [{{ answer = {{ text = "a", fault = {fault} }} }}]'
    sent = stream("anthropic", script).body
    assert names(sent)[3:] == ["content_block_delta", "error"]
    assert events(sent)[-1] == {
        "type": "error",
        "error": {"type": "overloaded_error", "message": "busy"},
    }


def test_malformed_event_is_not_skipped_by_clients() -> None:
    fault = '{ kind = "malformed", after = 2 }'
    script = f'rules = [{{ answer = {{ text = "a", fault = {fault} }} }}]'
    pieces = stream("anthropic", script).pieces
    assert pieces[2].startswith(b"event: ping")
    assert pieces[3] == b'event: content_block_delta\ndata: {"this is": not JSON\n\n'
