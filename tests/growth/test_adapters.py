"""Adapters against their service twins, over real HTTP."""

import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from attractor.base.json import Json
from attractor.growth.errors import InvalidData
from attractor.growth.http_client import ServiceFailed
from attractor.growth.tools import adapters, call_adapter, vendored
from attractor.twins.server.hosting import in_background
from attractor.twins.services.service import load_service
from attractor.twins.services.service_twin import ServiceTwin
from tests.tables import table

TWINS = Path(__file__).parents[2] / "scenarios" / "_twins"
REPOSITORY: Mapping[str, Json] = {"owner": "ada", "repo": "farm"}
EVENT: Json = {"id": "event-1", "title": "Delivery", "start": "2026-01-06", "calendar": "farm"}
FILE: Json = {"id": "file-1", "name": "a.txt", "content": "x"}
PAGE = "https://example.org/news"

CALLS: Mapping[str, list[tuple[str, Mapping[str, Json], Json]]] = {
    "github": [
        ("create_issue", {**REPOSITORY, "title": "PHI gate"}, "PHI gate"),
        ("list_issues", REPOSITORY, ["PHI gate"]),
        ("list_issues", {**REPOSITORY, "repo": "other"}, []),
    ],
    "slack": [("post_message", {"channel": "farm", "text": "Packed."}, True)],
    "calendar": [
        ("create_event", {"calendar": "farm", "title": "Delivery", "start": "2026-01-06"}, EVENT),
        ("list_events", {"calendar": "farm"}, {"items": [EVENT]}),
    ],
    "drive": [
        ("create_file", {"name": "a.txt", "content": "x"}, FILE),
        ("list_files", {}, {"files": [FILE]}),
    ],
    "web": [
        (
            "fetch_page",
            {"address": PAGE},
            {"address": PAGE, "text": f"The page at {PAGE} has no news."},
        )
    ],
}


@contextmanager
def twin_of(name: str) -> Generator[tuple[str, str]]:
    """Yield address and key of the twin of a service."""
    with in_background(ServiceTwin(load_service(TWINS / name))) as twin:
        values = twin.environ()
        yield values[f"{name.upper()}_URL"], values[f"{name.upper()}_TOKEN"]


def shown(answer: Json) -> Json:
    """Return the part of an answer that a case compares."""
    match answer:
        case {"title": title, "number": _}:
            return title
        case {"ok": ok}:
            return ok
        case [*issues]:
            return [shown(one) for one in issues]
        case _:
            return answer


def test_each_adapter_has_a_twin_and_calls() -> None:
    assert set(adapters()) == set(CALLS) <= {one.name for one in TWINS.iterdir()}


@table("name", list(CALLS))
def test_adapter_and_twin_understand_each_other(name: str) -> None:
    with twin_of(name) as (url, token):
        for operation, given, expected in CALLS[name]:
            answer = call_adapter(name, operation, given, url=url, token=token)
            assert shown(answer) == expected
    assert {one for one, _, _ in CALLS[name]} == set(adapters()[name])


def test_wrong_key_wrong_input_and_silence_are_errors() -> None:
    given = {"channel": "farm", "text": "Packed."}
    with twin_of("slack") as (url, token):
        with pytest.raises(ServiceFailed, match="status 401"):
            call_adapter("slack", "post_message", given, url=url, token="other")
        with pytest.raises(InvalidData, match="'text' is a required property|missing"):
            call_adapter("slack", "post_message", {"channel": "x"}, url=url, token=token)
    with pytest.raises(ServiceFailed, match="no answer"):
        call_adapter("slack", "post_message", given, url=url, token=token)


COPIED = f"""
import sys
from tools.github import part
from tools.http_client import HttpClient

client = HttpClient(*sys.argv[1:], part)
client.call("create_issue", {{**{REPOSITORY}, "title": "PHI gate"}})
print([one["title"] for one in client.call("list_issues", {REPOSITORY})])
assert "attractor" not in sys.modules
"""


def test_copied_adapter_needs_nothing_of_attractor(tmp_path: Path) -> None:
    for path, text in vendored(["github"]).items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    with twin_of("github") as (url, token):
        command = [sys.executable, "-c", COPIED, url, token]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("['PHI gate']\n", "")
