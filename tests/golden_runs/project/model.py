"""Answers for the model: read, write and try a file, then report; or the limit of the account."""

from typing import Any

FILES = {"sum": "import sys\n\nprint(sum(map(int, sys.argv[1:])))\n", "zero": "print(0)\n"}
LIMIT = "This request would exceed your account's rate limit. Please try again later."


def answer(conversation: Any, attempt: int) -> dict[str, Any]:
    """Return the next answer of a conversation."""
    asked = conversation.first_user
    if "Reach the limit" in asked:
        fault = {"kind": "status", "status": 429, "code": "rate_limit_error", "message": LIMIT}
        return {"fault": {**fault, "retry_after": "9h"}}
    calls = [{"name": "report_outcome", "arguments": {"outcome": "success"}}]
    if "Implement" in asked:
        text = FILES["zero" if "Implement the zero" in asked else "sum"]
        calls = [
            {"name": "read_file", "arguments": {"file_path": "total.py"}},
            {"name": "write_file", "arguments": {"file_path": "total.py", "content": text}},
            {"name": "shell", "arguments": {"command": "python3 total.py 1 2"}},
            {"name": "shell", "arguments": {"command": "exit 4"}},
            *calls,
        ]
    if conversation.step < len(calls):
        return {"text": f"Step {conversation.step}.", "tool_calls": [calls[conversation.step]]}
    return {"text": "Done."}
