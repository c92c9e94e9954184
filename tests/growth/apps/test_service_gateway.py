"""The service gateway refuses each request that is not a declared operation."""

import asyncio
import http.client
import json
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from attractor.base.json import Json
from attractor.environments.local import LocalExecutionEnvironment
from attractor.growth.apps.service_gateway import MOST_CONNECTIONS as MOST, service_gateway
from attractor.growth.apps.services import service_twins
from attractor.growth.apps.skeleton import write_app
from attractor.growth.specification.document import read_document
from attractor.growth.specification.files import write_spec
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.anyio

SPEC = read_document(
    """
identity: {purpose: Plan deliveries}
evidence_policy: {sources: [Calendar, Drive]}
data_contracts: {entities: [{name: Delivery, fields: [title]}]}
workflows:
  pipelines:
    - name: Plan
      steps:
        - {name: Look, reads: [Calendar], writes: [Delivery]}
        - {name: Keep, reads: [Delivery], writes: [Drive]}
"""
)
EVENTS = "/calendar/calendars/farm/events"
KEPT = b'{"name": "a.txt", "content": "x"}'

CASES: list[tuple[str, str, bytes, int, Json]] = [
    ("GET", EVENTS, b"", 200, {"items": []}),
    ("POST", "/drive/files", KEPT, 200, {"id": "file-1", "name": "a.txt", "content": "x"}),
    ("POST", EVENTS, b"{}", 403, "no step declares calendar.create_event"),
    ("GET", "/drive/files", b"", 403, "no step declares drive.list_files"),
    *(
        (method, path, b"", 403, f"no operation {method} {path}")
        for method, path in [
            ("DELETE", EVENTS),
            ("GET", "/calendar/calendars"),
            ("GET", f"{EVENTS}/event-1"),
            ("GET", "/calendar/x/../calendars/farm/events"),
            ("GET", "/calendars/farm/events"),
            ("GET", "/github/repos/ada/farm/issues"),
            ("GET", f"http://127.0.0.1:1{EVENTS}"),
        ]
    ),
    *(
        (
            "GET",
            EVENTS.replace("farm", calendar),
            b"",
            502,
            "GET /calendars/{calendar}/events: invalid calendar",
        )
        for calendar in ("%2e%2e", "farm%2f..%2f..%2fadmin", "..%5cadmin", "%2ffarm")
    ),
    ("GET", EVENTS.replace("farm", "farm%2fnorth"), b"", 200, {"items": []}),
    ("POST", "/drive/files", b"name=a.txt", 400, "the input is not JSON"),
    ("POST", "/drive/files", b"[]", 400, "the input is not an object"),
]


def ask(url: str, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Json]:
    """Send a request to a gateway, and return the status and the JSON of the answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
    connection.request(method, path, body, {one.replace("_", "-"): headers[one] for one in headers})
    answer = connection.getresponse()
    content: Json = json.loads(answer.read())
    return answer.status, content.get("error", content) if isinstance(content, dict) else content


async def test_gateway_sends_declared_operations_only(tmp_path: Path) -> None:
    write_app(SPEC, tmp_path)
    write_spec(SPEC, tmp_path)
    environment = LocalExecutionEnvironment(tmp_path)
    async with (
        service_twins()(tmp_path, 0) as outside,
        service_gateway(tmp_path, environment, outside) as reached,
        service_gateway(tmp_path, environment, {**outside, "DRIVE_TOKEN": "other"}) as unknown,
    ):
        url, key = reached["CALENDAR_URL"], f"Bearer {reached['CALENDAR_TOKEN']}"
        for method, path, body, status, expected in CASES:
            found = await asyncio.to_thread(ask, url, method, path, body, authorization=key)
            assert found == (status, expected), path
        for shown, length, status in (
            (f"Bearer {outside['CALENDAR_TOKEN']}", "0", 401),
            (key, "2000000", 413),
            (key, "-1", 413),
        ):
            headers = {"authorization": shown, "content_length": length}
            found = await asyncio.to_thread(
                partial(ask, url, "POST", "/drive/files", b"", **headers)
            )
            assert found[0] == status
        # The service refuses the token: the app gets the status, but no text of the service.
        key = f"Bearer {unknown['DRIVE_TOKEN']}"
        url = unknown["DRIVE_URL"]
        found = await asyncio.to_thread(ask, url, "POST", "/drive/files", KEPT, authorization=key)
        assert found == (401, "POST /files: status 401")
    with pytest.raises(ConnectionRefusedError):
        ask(url, "GET", EVENTS)


async def test_gateway_closes_connections_beyond_its_limit(tmp_path: Path) -> None:
    write_app(SPEC, tmp_path)
    write_spec(SPEC, tmp_path)
    environment = LocalExecutionEnvironment(tmp_path)
    outside = {"CALENDAR_URL": "http://127.0.0.1:9", "CALENDAR_TOKEN": "t"}
    async with service_gateway(tmp_path, environment, outside) as reached:
        host, port = urlsplit(reached["CALENDAR_URL"]).netloc.split(":")
        opened = [await asyncio.open_connection(host, int(port)) for _ in range(MOST + 2)]
        async with asyncio.timeout(PATIENCE_S):
            assert [await reader.read() for reader, _ in opened[MOST:]] == [b"", b""]
        assert not any(reader.at_eof() for reader, _ in opened[:MOST])
        for _, writer in opened:
            writer.close()
        async with asyncio.timeout(PATIENCE_S):
            while not await asyncio.to_thread(is_answered, reached["CALENDAR_URL"]):
                await asyncio.sleep(0.02)


def is_answered(url: str) -> bool:
    """Return whether a gateway answers: at its limit it closes new connections."""
    with suppress(OSError, http.client.HTTPException):
        return ask(url, "GET", EVENTS)[0] == 401
    return False
