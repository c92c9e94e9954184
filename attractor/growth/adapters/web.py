"""Pages of the web, through a service that fetches them and returns their text."""

from attractor.growth.http_client import Operation

part = {
    "fetch_page": Operation(
        "GET",
        "/pages",
        {
            "type": "object",
            "required": ["address"],
            "properties": {"address": {"type": "string", "pattern": "^https?://"}},
            "additionalProperties": False,
        },
        {
            "type": "object",
            "required": ["address", "text"],
            "properties": {"address": {"type": "string"}, "text": {"type": "string"}},
        },
    ),
}
