"""Issues of a repository on GitHub."""

from attractor.growth.http_client import Operation

ISSUE = {
    "type": "object",
    "required": ["number", "title"],
    "properties": {"number": {"type": "integer"}, "title": {"type": "string"}},
}
REPOSITORY = {"owner": {"type": "string"}, "repo": {"type": "string"}}

part = {
    "list_issues": Operation(
        "GET",
        "/repos/{owner}/{repo}/issues",
        {"type": "object", "required": ["owner", "repo"], "properties": REPOSITORY},
        {"type": "array", "items": ISSUE},
    ),
    "create_issue": Operation(
        "POST",
        "/repos/{owner}/{repo}/issues",
        {
            "type": "object",
            "required": ["owner", "repo", "title"],
            "properties": {
                **REPOSITORY,
                "title": {"type": "string", "minLength": 1},
                "body": {"type": "string"},
            },
            "additionalProperties": False,
        },
        ISSUE,
    ),
}
