"""Exchanges with a service are passed on, recorded without secrets, and compared with its twin."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import httpx
import pytest

from attractor.twins.server.hosting import ErrorReporter, in_background
from attractor.twins.services.check import check_recording
from attractor.twins.services.dispatch import ServiceDispatcher
from attractor.twins.services.errors import RecordingError
from attractor.twins.services.pytest_plugin import StartServiceTwin
from attractor.twins.services.recordings import (
    ExchangeFile,
    RecordedExchange,
    ServiceRecorder,
    load_recording,
)
from attractor.twins.services.service import load_service, parse_service
from attractor.twins.services.service_twin import ServiceTwin
from tests.patience import PATIENCE_S, wait_until
from tests.twins.services.asking import fixed

PAYMENTS = Path(__file__).parents[3] / "examples" / "twins" / "payments"
KEY = "sk_test_twin"
REAL = {"authorization": f"Bearer {KEY}"}
Record = Callable[..., ServiceTwin]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recordings" / "today.jsonl"


@pytest.fixture
def recording(file: Path) -> Iterator[Record]:
    """Start twins that record another one."""
    with ExitStack() as stack:

        def start(real: str, toml: str = 'name = "s"\n' + fixed("1")) -> ServiceTwin:
            service = parse_service(toml)
            twin = ServiceTwin(service, record=ExchangeFile(file), to=real)
            return stack.enter_context(in_background(twin))

        yield start


def recorded(file: Path) -> list[RecordedExchange]:
    return list(load_recording(file))


def test_twin_matches_its_recording(file: Path, service_twin: StartServiceTwin) -> None:
    service = load_service(PAYMENTS)
    real = service_twin(PAYMENTS)
    with in_background(ServiceTwin(service, record=ExchangeFile(file), to=real.url)) as twin:
        # People who record have a key of their own.
        assert twin.environ() == {"PAYMENTS_URL": f"{twin.url}/v1"}
        with httpx.Client(base_url=twin.environ()["PAYMENTS_URL"], headers=REAL) as client:
            made = client.post("/customers", data={"email": "bo@example.com"})
            asked = {"customer": made.json()["id"], "amount": 1200}
            statuses = [made.status_code, client.post("/charges", json=asked).status_code]
            statuses.append(client.get("/customers?limit=1").status_code)
        statuses.append(httpx.get(twin.url + "/v1/customers").status_code)
    assert statuses[-1] == 401
    assert [one.response.status for one in recorded(file)] == statuses
    assert [one.route for one in twin.requests] == ["recorded"] * 4
    assert KEY not in file.read_text()
    assert real.requests[0].headers["host"] == real.url.removeprefix("http://")
    played = check_recording(service, recorded(file))
    assert [one.differences for one in played] == [[]] * 4


def test_responses_are_forwarded_byte_for_byte(
    recording: Record, service_twin: StartServiceTwin, file: Path
) -> None:
    route = fixed('{ b = 1, a = "ü" }', 'headers = { Set-Cookie = "id=1", X-More = "yes" }')
    real = service_twin('name = "s"\n' + route)
    twin = recording(real.url + "/")
    direct, passed = httpx.get(real.url + "/x?a=b%20c"), httpx.get(twin.url + "/x?a=b%20c")
    assert passed.content == direct.content
    assert dict(passed.headers) == dict(direct.headers)
    (one,) = recorded(file)
    assert one.request.path == "/x?a=b%20c"
    assert one.response.headers == {"content-type": "application/json"}
    # Cookies belong to one client only.
    httpx.get(twin.url + "/x")
    assert "cookie" not in real.requests[2].headers


def test_control_of_a_recording_twin_is_limited(
    recording: Record, service_twin: StartServiceTwin
) -> None:
    twin = recording(service_twin('name = "s"\n' + fixed("1")).url)
    token = {"authorization": f"Bearer {twin.token}"}
    for method, path in (("GET", "/state"), ("GET", "/clock"), ("POST", "/faults")):
        answer = httpx.request(method, twin.control_url + path, headers=token, json={})
        assert answer.status_code == 409
        assert "the service answers" in answer.json()["error"]
    httpx.get(twin.url + "/x")
    assert httpx.post(twin.control_url + "/reset", headers=token).json() == {"reset": True}
    assert not twin.requests


def test_unreachable_service_is_reported(recording: Record, file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    twin = recording(f"http://127.0.0.1:{port}")
    answer = httpx.get(twin.url + "/x", headers=REAL)
    assert (answer.status_code, answer.headers["x-twin-error"]) == (502, "not_recorded")
    assert f"the service at http://127.0.0.1:{port}: ConnectError" in answer.text
    assert twin.requests[0].why in answer.json()["error"]["message"]
    assert not file.exists()


def test_invalid_status_is_reported_and_not_recorded(recording: Record, file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 999 Denied\r\ncontent-length: 0\r\n\r\n")

        thread = Thread(target=serve)
        thread.start()
        twin = recording(f"http://127.0.0.1:{server.getsockname()[1]}")
        answer = httpx.get(twin.url + "/x")
        thread.join()
    assert answer.status_code == 502
    assert "invalid status 999 from http://127.0.0.1" in answer.text
    assert not file.exists()


def test_broken_response_is_forwarded_and_not_recorded(
    recording: Record, service_twin: StartServiceTwin, file: Path
) -> None:
    faults = 'faults = [{ kind = "cut", on = [1] }, { kind = "hang", after = 1, on = [2] }]'
    twin = recording(service_twin('name = "s"\n' + fixed('"long enough"', faults)).url)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(twin.url + "/x")
    with httpx.stream("GET", twin.url + "/x", timeout=PATIENCE_S) as begun:
        assert begun.status_code == 200
    httpx.get(twin.url + "/x")
    wait_until(lambda: len(twin.requests) == 3)
    why = sorted(one.why.partition(":")[0] for one in twin.requests)
    assert why[0] == ""
    assert why[1:] == [
        "no response of the service at http",
        "the client disconnected before the end of the response",
    ]
    assert len(recorded(file)) == 1


def test_failed_recording_breaks_the_response(
    recording: Record, service_twin: StartServiceTwin, file: Path
) -> None:
    twin = recording(service_twin('name = "s"\n' + fixed("1")).url)
    file.mkdir()
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(twin.url + "/x")
    assert "today.jsonl" in twin.errors[0].message
    assert twin.requests[0].why == "the response could not be recorded"


def test_unsupported_method_is_rejected_before_forwarding(
    recording: Record, service_twin: StartServiceTwin
) -> None:
    real = service_twin('name = "s"\n' + fixed("1"))
    twin = recording(real.url)
    answer = httpx.request("M-SEARCH", twin.url + "/x")
    assert answer.status_code == 502
    assert "the request cannot be recorded: method: " in answer.json()["error"]["message"]
    assert not real.requests


@pytest.mark.parametrize("to", ["payments", "ftp://host", "https://me:key@host", "https://h?a=b"])
def test_invalid_addresses_are_rejected(to: str, file: Path) -> None:
    dispatcher = ServiceDispatcher(load_service(PAYMENTS))
    with pytest.raises(RecordingError, match="invalid address of a service"):
        ServiceRecorder(dispatcher, ExchangeFile(file), to, reporter=ErrorReporter())


def test_recording_needs_file_and_address(file: Path) -> None:
    service = load_service(PAYMENTS)
    for half in ({"to": "http://host"}, {"record": ExchangeFile(file)}):
        with pytest.raises(
            RecordingError, match="a file and the address of the service are required"
        ):
            ServiceTwin(service, **half)  # pyright: ignore[reportArgumentType]
