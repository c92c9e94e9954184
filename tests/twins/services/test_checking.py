import json
from pathlib import Path
from typing import Any

from attractor.twins.services.check import check_recording
from attractor.twins.services.recordings import RecordedExchange, load_recording, parse_recording
from attractor.twins.services.service import load_service, parse_service

PAYMENTS = Path(__file__).parents[3] / "examples" / "twins" / "payments"
THINGS = """
name = "things"
[auth]
kind = "bearer"
key = "k"
[collections.things]
id = "t_{{ letters(4) }}"
[check]
ignore = ["$.id"]
[[routes]]
method = "POST"
path = "/things"
kind = "create"
collection = "things"
faults = [{ kind = "status", status = 503 }]
[[routes]]
path = "/things"
kind = "list"
collection = "things"
filters = ["id"]
[[routes]]
path = "/things/{id}"
kind = "get"
collection = "things"
"""


def exchange(words: str, status: int, answer: Any, body: Any = None, **headers: str) -> str:
    method, path = words.split(" ")
    request = {"method": method, "path": path, "body": body, "headers": headers}
    return json.dumps({"request": request, "response": {"status": status, "body": answer}})


def differing(*lines: str) -> list[list[str]]:
    exchanges: list[RecordedExchange] = list(parse_recording("\n".join(lines)))
    played = check_recording(parse_service(THINGS), exchanges)
    return [[one.where for one in it.differences] for it in played]


def test_the_example_is_like_its_recording() -> None:
    recording = load_recording(PAYMENTS / "recordings" / "refund.jsonl")
    played = check_recording(load_service(PAYMENTS), recording)
    assert [list(one.differences) for one in played] == [[]] * len(recording)


def test_recorded_ids_are_mapped_to_twin_ids() -> None:
    assert differing(
        exchange("POST /things", 201, {"id": "real-1", "a": 1}, {"a": 1}),
        exchange("POST /things", 201, {"id": "real-2", "of": "real-1"}, {"of": "real-1"}),
        exchange("GET /things/real-2", 200, {"id": "real-2", "of": "real-1"}),
        exchange("GET /things?id=real-1", 200, [{"id": "real-1", "a": 1}]),
    ) == [[], [], [], []]


def test_differences_from_the_recording_are_reported() -> None:
    header = ["header content-type"]
    assert differing(
        exchange("POST /things", 200, {"id": "x", "a": 2}, {"a": 1}),
        exchange("GET /nowhere", 200, {"a": 1}),
        exchange("GET /nowhere", 404, "gone"),
    ) == [["status", "$.a"], ["status", "$.a", "$.error", "$.twin"], [*header, "$"]]


def test_the_key_is_added_unless_the_service_refused() -> None:
    refused = {"error": {"code": "unauthorized", "message": "missing or invalid key"}}
    hidden = {"authorization": "[hidden]"}
    assert differing(
        exchange("GET /things", 200, [], **hidden),
        exchange("GET /things", 401, refused),
        exchange("GET /things", 401, refused, authorization="Bearer other"),
    ) == [[], [], []]
