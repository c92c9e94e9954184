"""Files in a shared drive."""

from attractor.growth.http_client import Operation

FILE = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {"id": {"type": "string"}, "name": {"type": "string"}},
}

part = {
    "list_files": Operation(
        "GET",
        "/files",
        {"type": "object", "properties": {}, "additionalProperties": False},
        {
            "type": "object",
            "required": ["files"],
            "properties": {"files": {"type": "array", "items": FILE}},
        },
    ),
    "create_file": Operation(
        "POST",
        "/files",
        {
            "type": "object",
            "required": ["name", "content"],
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "content": {"type": "string"},
            },
            "additionalProperties": False,
        },
        FILE,
    ),
}
