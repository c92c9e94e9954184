import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from attractor.twins.services.pytest_plugin import StartServiceTwin
from attractor.twins.services.route import FaultRule, members
from attractor.twins.services.service import parse_service
from attractor.twins.services.service_twin import ServiceTwin
from tests.patience import until, wait_until
from tests.twins.services.asking import fixed

PAYMENTS = Path(__file__).parents[3] / "examples" / "twins" / "payments"
NAMED = 'name = "s"\n'


def test_twin_answers_clients_over_http(service_twin: StartServiceTwin) -> None:
    twin = service_twin(PAYMENTS)
    found = twin.environ()
    assert found == {"PAYMENTS_URL": f"{twin.url}/v1", "PAYMENTS_KEY": "sk_test_twin"}
    headers = {"authorization": f"Bearer {found['PAYMENTS_KEY']}"}
    with httpx.Client(base_url=found["PAYMENTS_URL"], headers=headers) as client:
        made = client.post("/customers", data={"email": "bo@example.com"}).json()
        asked = {"customer": made["id"], "amount": 1200}
        charge = client.post("/charges", json=asked).json()
        given = client.post(f"/charges/{charge['id']}/refunds", json={"amount": 200}).json()
        assert (given["id"], given["amount"]) == ("re_1", 200)
        declined = client.post("/charges", json={**asked, "card": "declined"})
        assert declined.status_code == 402
        listed = client.get("/customers", params={"limit": 1}).json()
        assert (len(listed["data"]), listed["has_more"]) == (1, True)
    assert httpx.get(found["PAYMENTS_URL"] + "/customers").status_code == 401
    assert httpx.get(twin.url + "/status").json()["at"] == "2026-01-01T00:00:06Z"
    assert [one.route for one in twin.requests][:3] == ["create a customer", "charge", "refund"]
    assert twin.health()["requests"] == 7
    twin.reset()
    assert list(members(twin.state["customers"])) == ["cus_ada"]


def test_faults_reach_the_connection(service_twin: StartServiceTwin) -> None:
    kinds = ("refused", "cut", "content_length", "hang")
    faults = ", ".join(f'{{ kind = "{one}", on = [{n}] }}' for n, one in enumerate(kinds, 1))
    twin = service_twin(NAMED + fixed('"some text"', f"faults = [{faults}]"))
    for _ in range(3):
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(twin.url + "/x")
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(twin.url + "/x", timeout=0.1)
    wait_until(lambda: len(twin.requests) >= len(kinds))
    assert httpx.get(twin.url + "/x").json() == "some text"
    twin.arm(FaultRule.model_validate({"kind": "status", "status": 418}))
    assert [httpx.get(twin.url + "/x").status_code for _ in range(2)] == [418, 200]


def test_headers_paths_and_methods_arrive_unchanged(service_twin: StartServiceTwin) -> None:
    message = '{ p = "{{ path.p }}", h = "{{ header[\'x-a\'] }}", q = "{{ query.q }}" }'
    route = f'[[routes]]\npath = "/a/{{p}}"\nmethod = "*"\nkind = "fixed"\njson = {message}\n'
    twin = service_twin(NAMED + route + 'headers = { x-b = "{{ path.p }}" }')
    place = twin.url + "/a/b%2Fc%C3%A9"
    answer = httpx.request("PROPFIND", place, params={"q": "ü&"}, headers={"X-A": "1"})
    assert answer.json() == {"p": "b/cé", "h": "1", "q": "ü&"}
    assert answer.headers["x-b"] == "b/cé"
    assert httpx.head(place, params={"q": "1"}, headers={"X-A": "1"}).content == b""


def test_service_clock_is_advanced(service_twin: StartServiceTwin) -> None:
    twin = service_twin(NAMED + fixed('"{{ now }}"'))
    twin.advance(timedelta(days=1))
    assert httpx.get(twin.url + "/x").json() == "2026-01-02T00:00:00Z"


@pytest.mark.anyio
async def test_twin_ends_with_its_block_despite_waiting_clients() -> None:
    service = parse_service(NAMED + fixed("1", 'faults = [{ kind = "hang" }]'))
    async with ServiceTwin(service) as twin, httpx.AsyncClient() as client:
        waiting = asyncio.create_task(client.get(twin.url + "/x", timeout=20))
        await until(lambda: twin.requests)
        url = twin.url
    with pytest.raises(httpx.HTTPError):
        await waiting
    url = url
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_health_is_reported(service_twin: StartServiceTwin) -> None:
    twin = service_twin(NAMED + fixed("1"))
    httpx.get(twin.url + "/x")
    health = {"status": "ok", "service": "s", "requests": 1, "now": "2026-01-01T00:00:00Z"}
    assert twin.health() == health
    assert ServiceTwin(parse_service(NAMED + fixed("1"))).health()["status"] == "down"
