"""Requests that are refused before a sandbox starts."""

from typing import Any

import pytest
from pydantic import ValidationError

from attractor.snippets.snippet import Snippet
from tests.tables import table


def files(*paths: str) -> dict[str, Any]:
    return {"code": "1", "files": [{"path": one, "content": ""} for one in paths]}


@table(
    ("fields", "fault"),
    [
        ({}, "give either code or command"),
        ({"code": "1", "command": "ls"}, "give either code or command"),
        ({"code": "1", "language": "ruby"}, "'python', 'typescript' or 'javascript'"),
        ({"code": "1", "cwd": "/"}, "Extra inputs"),
        ({"code": "1", "network": {"blockAll": True, "allow": []}}, "Extra inputs"),
        ({"code": "1", "network": {"block_all": False}}, "Extra inputs"),
        ({"code": "1", "network": {"blockAll": "no"}}, "valid boolean"),
        ({"code": "1", "timeout": 0}, "greater than 0"),
        ({"code": "1", "timeout": 301}, "less than or equal to 300"),
        ({"code": "1", "timeout": float("nan")}, "less than or equal to 300"),
        ({"code": "1", "env": {"A=B": "1"}}, "pattern"),
        ({"code": "1", "env": {"A": "\0"}}, "pattern"),
        ({"code": "1", "argv": ["a\0"]}, "pattern"),
        ({"code": "\ud800"}, "string"),
        (files("../x"), "not a path below"),
        (files("a/../../x"), "not a path below"),
        (files("/etc/x"), "not a path below"),
        (files("./x"), "not a path below"),
        (files("a//x"), "not a path below"),
        (files(""), "pattern"),
        (files("a" * 300), "too long"),
        (files("x", "x"), "duplicate file 'x'"),
        (files("snippet.py"), "duplicate file 'snippet.py'"),
        (files("a", "a/b"), "'a' is a file and a folder"),
    ],
)
def test_invalid_request_is_refused(fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Snippet.model_validate(fields)
