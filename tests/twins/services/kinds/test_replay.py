import json
from pathlib import Path
from typing import Any

import pytest

from attractor.twins.services.errors import ServiceError
from attractor.twins.services.service import load_services
from tests.twins.services.asking import Asked

ROUTE = """
[[routes]]
method = "*"
path = "/{rest...}"
kind = "replay"
recordings = ["*.jsonl"]
then = "{then}"
"""


def recorded(words: str, answer: Any, body: Any = None) -> str:
    method, path = words.split(" ")
    request = {"method": method, "path": path, "body": body}
    return json.dumps({"request": request, "response": {"status": 200, "body": answer}}) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = [
        recorded("GET /a?x=1&y=2", ["first"]),
        recorded("GET /a?x=1&y=2", ["second"]),
        recorded("POST /a", ["b1"], {"b": 1}),
        recorded("POST /a", "text", {"b": 2}),
    ]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    return tmp_path


def test_the_same_request_gets_the_recorded_answers_in_order(folder: Path) -> None:
    ask = Asked(ROUTE.replace("{then}", "stay"), folder)
    found = [ask("GET /a?y=2&x=1")[1] for _ in range(3)]
    assert found == [["first"], ["second"], ["second"]]
    assert ask("POST /a", {"b": 1}) == (200, ["b1"])
    assert ask("POST /a", {"b": 2}) == (200, "text")
    ask.dispatcher.reset()
    assert ask("GET /a?x=1&y=2")[1] == ["first"]


def test_replay_repeats_or_fails_after_the_last_recording(folder: Path) -> None:
    again = Asked(ROUTE.replace("{then}", "repeat"), folder)
    assert [again("GET /a?x=1&y=2")[1] for _ in range(3)][-1] == ["first"]
    once = Asked(ROUTE.replace("{then}", "fail"), folder)
    status, body = [once("POST /a", {"b": 1}) for _ in range(2)][-1]
    assert (status, body["error"]["code"]) == (500, "recording_ended")


def test_unrecorded_requests_are_reported(folder: Path) -> None:
    status, body = Asked(ROUTE.replace("{then}", "stay"), folder)("POST /a", {"b": 3})
    assert (status, body["error"]["code"]) == (404, "not_recorded")
    assert "POST /a with this body" in body["error"]["message"]


def test_first_recording_needs_no_existing_files(tmp_path: Path) -> None:
    (tmp_path / "twin.toml").write_text('name = "s"' + ROUTE.replace("{then}", "stay"))
    with pytest.raises(ServiceError, match="no file in"):
        load_services([tmp_path])
    assert [one.name for one in load_services([tmp_path], is_recording=True)] == ["s"]


def test_invalid_recording_is_reported_on_load(folder: Path) -> None:
    (folder / "b.jsonl").write_text("{")
    with pytest.raises(ServiceError, match=r"routes\[0\]\.recordings: .*b\.jsonl:1: invalid JSON"):
        Asked(ROUTE.replace("{then}", "stay"), folder)
