"""The same service, seed and requests give the same bytes, with all headers."""

import json
from collections.abc import Sequence
from pathlib import Path

from attractor.twins.exchange.answer import FaultKind
from attractor.twins.server.hosting import in_background
from attractor.twins.services.pytest_plugin import StartServiceTwin
from attractor.twins.services.service import Service, load_service, parse_service
from attractor.twins.services.service_twin import ServiceTwin
from tests.patience import with_longer_limits
from tests.tables import table
from tests.twins.raw import raw
from tests.twins.services.asking import fixed

PAYMENTS = load_service(Path(__file__).parents[3] / "examples" / "twins" / "payments")
KEY = {"authorization": "Bearer sk_test_twin"}
ASKED = [
    ("POST /v1/customers", b'{"email": "bo@example.com"}'),
    ("POST /v1/customers", b"{}"),
    ("GET /v1/customers", b""),
    ("GET /nowhere", b""),
    ("GET /status", b""),
]


def came(service: Service, seed: int) -> Sequence[bytes]:
    with in_background(ServiceTwin(service, seed=seed)) as twin:
        first = [raw(twin.url, words, KEY, body) for words, body in ASKED]
        twin.reset()
        assert [raw(twin.url, words, KEY, body) for words, body in ASKED] == first
        return first


def test_two_twins_with_one_seed_send_the_same_bytes() -> None:
    first = came(PAYMENTS, 3)
    assert first == came(PAYMENTS, 3)
    assert first != came(PAYMENTS, 4)
    ids = [json.loads(one.partition(b"\r\n\r\n")[2]).get("id") for one in first[:1]]
    assert all(ids)


def test_date_is_the_time_of_the_twins_clock(service_twin: StartServiceTwin) -> None:
    twin = service_twin('name = "s"\nclock.step = "1h"\n' + fixed("1"))
    found = [raw(twin.url, "GET /x", {}) for _ in range(2)]
    dates = [b"\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n", b"Thu, 01 Jan 2026 01:00:00 GMT"]
    assert all(
        date in one and one.count(b"date:") == 1 for date, one in zip(dates, found, strict=True)
    )


def test_route_can_set_its_own_date(service_twin: StartServiceTwin) -> None:
    twin = service_twin('name = "s"\n' + fixed("1", 'headers = { Date = "then" }'))
    found = raw(twin.url, "GET /x", {})
    assert (found.count(b"date:"), b"date: then\r\n" in found) == (1, True)


@table("kind", list(FaultKind))
def test_faults_send_the_same_bytes(kind: FaultKind) -> None:
    route = fixed('"{{ letters(40) }}"', f'faults = [{{ kind = "{kind}", probability = 0.6 }}]')
    service = parse_service('name = "s"\n' + route)

    def played(seed: int, patience: float) -> Sequence[bytes]:
        with in_background(ServiceTwin(service, seed=seed)) as twin:
            return [raw(twin.url, "GET /x", {}, patience=patience) for _ in range(4)]

    def play_twice(patience: float) -> None:
        assert played(1, patience) == played(1, patience)

    with_longer_limits(play_twice, first_s=0.1 if kind is FaultKind.HANG else 60)
