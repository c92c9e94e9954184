"""Events of a calendar."""

from attractor.growth.http_client import Operation

EVENT = {
    "type": "object",
    "required": ["id", "title", "start"],
    "properties": {
        "id": {"type": "string"},
        "title": {"type": "string"},
        "start": {"type": "string"},
    },
}
CALENDAR = {"calendar": {"type": "string"}}

part = {
    "list_events": Operation(
        "GET",
        "/calendars/{calendar}/events",
        {"type": "object", "required": ["calendar"], "properties": CALENDAR},
        {
            "type": "object",
            "required": ["items"],
            "properties": {"items": {"type": "array", "items": EVENT}},
        },
    ),
    "create_event": Operation(
        "POST",
        "/calendars/{calendar}/events",
        {
            "type": "object",
            "required": ["calendar", "title", "start"],
            "properties": {
                **CALENDAR,
                "title": {"type": "string", "minLength": 1},
                "start": {"type": "string"},
            },
            "additionalProperties": False,
        },
        EVENT,
    ),
}
