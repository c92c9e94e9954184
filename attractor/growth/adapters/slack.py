"""Messages in a channel of Slack."""

from attractor.growth.http_client import Operation

part = {
    "post_message": Operation(
        "POST",
        "/chat.postMessage",
        {
            "type": "object",
            "required": ["channel", "text"],
            "properties": {
                "channel": {"type": "string"},
                "text": {"type": "string", "minLength": 1},
            },
            "additionalProperties": False,
        },
        {
            "type": "object",
            "required": ["ok"],
            "properties": {"ok": {"const": True}, "ts": {"type": "string"}},
        },
    ),
}
