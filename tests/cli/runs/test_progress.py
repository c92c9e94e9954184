"""What happened, in a line for a person."""

from dataclasses import replace

import pytest

from attractor.base.json import Json
from attractor.cli.runs.progress import describe_event
from tests.cli.runs.live.run_events import Happenings


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("NotificationCompleted", {"way": "url"}, "gate: notification sent by url"),
        (
            "NotificationFailed",
            {"way": "command", "error": "exit code 3: no\x1b[2J"},
            "gate: notification failed by command: exit code 3: no",
        ),
    ],
)
def test_notifications_are_event_lines(kind: str, data: dict[str, str], words: str) -> None:
    way, error = data["way"], data.get("error", "")
    line = describe_event(Happenings().tell(kind, "gate", way=way, error=error))
    assert line[10:].startswith(words)
    assert "\x1b" not in line


def test_setup_is_an_event_line() -> None:
    tell, make = Happenings().tell, "make deps"
    ran = tell("BootStep", step="setup", command=make, how="run", exit_code=0, seconds=2.5)
    kept = tell("BootStep", step="setup", command=make, how="kept", seconds=1)
    assert describe_event(ran)[10:] == "setup make deps: exit status 0 (2.5 s)"
    assert describe_event(kept)[10:] == "setup make deps: cached result (1 s)"
    assert describe_event(tell("BootStep", step="environment")) == ""


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            {"action": "pause", "by": "alex", "why": "lunch", "is_accepted": True},
            "pause by alex: lunch",
        ),
        (
            {"action": "answer", "by": "alex", "question": "gate@1", "value": "Y"},
            "answer gate@1: Y by alex refused",
        ),
        (
            {"action": "steer", "by": "", "why": "refused: no running stage takes messages"},
            "steer refused: refused: no running stage takes messages",
        ),
        (
            {"action": "steer", "by": "alex", "question": "nope", "value": "hey"},
            'steer nope: "hey" by alex refused',
        ),
        (
            {"action": "steer", "by": "alex", "value": "hey", "why": "late", "is_accepted": True},
            'steer "hey" by alex: late',
        ),
    ],
)
def test_orders_are_event_lines(data: dict[str, Json], words: str) -> None:
    action = replace(Happenings().tell("OperatorAction"), data=data)
    assert describe_event(action)[10:] == words


def test_result_location_is_an_event_line() -> None:
    told = Happenings().tell("RunPatchWritten", path="result.patch", tree="t", redacted=True)
    assert describe_event(told).endswith("in result.patch, without the values of secrets")
    line = describe_event(Happenings().tell("RunPatchWritten", path="result.patch", tree="t"))
    assert line[10:] == "all changes are in result.patch"
