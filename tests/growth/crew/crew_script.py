"""A crew for tests: it asks for a tool, answers wrongly once, and gets a veto once."""

import json
import re
from typing import Any

from attractor.twins.exchange.answer import Answer
from attractor.twins.exchange.wire import Conversation

BODY = """
from tools.checklist import part


def run(records, context):
    ids = [one["id"] for one in records["item"]]
    events = context.call("calendar", "list_events", {"calendar": "farm"})["items"]
    ids += [one["id"] for one in events]
    items = part.run({"required": ids, "done": ["bad"]})["items"]
    return {"copy": [{"id": one["text"]} for one in items if not one["done"]]}
"""
UNSAFE = BODY.replace('["bad"]', "[]")
PANEL = """
from app.contract import Panel


def rows(records, context):
    return Panel("Copies", 1, records["copy"])
"""
PROPOSAL = {"morphs": [{"type": "add_source", "name": "contracts"}], "tests": []}
STEP, HOME = "app/steps/copying.py", "app/panels/home.py"


def draft(name: str, **expect: object) -> dict[str, object]:
    return {
        "id": name,
        "title": name,
        "story": f"A person wants {name}.",
        "clock": "2026-01-05T00:00:00+00:00",
        "given": {"item": [{"id": "a"}, {"id": "bad"}]},
        "run": "daily",
        "expect": [{"get": "/data/copy", **expect}],
    }


def answer(conversation: Conversation, attempt: int) -> Answer:
    task = conversation.last_user
    [role] = re.findall(r"# Contract of the (\w+)", task)
    [given] = re.findall(r"# Input\n.*?```json\n(.*?)\n```", task, re.S)
    is_repair = "# Your answer was refused" in task
    return Answer(text=json.dumps(record_of(role, json.loads(given), is_repair=is_repair)))


def record_of(role: str, given: dict[str, Any], *, is_repair: bool) -> object:
    if role == "compiler":
        return compiled(given, is_repair=is_repair)
    if role == "safety":
        body = given["files"][STEP]
        if "bad" in body or "checklist" not in body:
            return {"verdict": "approve"}
        return {"verdict": "veto", "reasons": ["copying.py copies bad items"]}
    # The twin of the project has an event; the twin of the package has none.
    useful = draft("one-copy", path="$.records[1].id", equals="before")
    records: dict[str, object] = {
        "planner": PROPOSAL,
        "toolsmith": {"ready": given.get("needs")},
        "surface": {"bodies": [{"path": HOME, "text": PANEL}]},
        "tester": {"drafts": [useful, draft("a-list", path="$.records", exists=True)]},
        "historian": {"headline": "Copies", "changes": ["It copies items."]},
    }
    return records[role]


def compiled(given: dict[str, Any], *, is_repair: bool) -> object:
    if not given["ready"]:
        return {"needs": ["checklist"]}
    if not is_repair and not given["faults"]:
        return {"bodies": []}
    return {"bodies": [{"path": STEP, "text": BODY if given["faults"] else UNSAFE}]}
