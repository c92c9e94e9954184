"""Apps that call a declared adapter: through the gateway, and against a drafted twin."""

import asyncio
import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from httpx import AsyncClient

from attractor.base.errors import Refused
from attractor.base.json import Json
from attractor.config.sections import SecretStr
from attractor.config.settings import GrowthSettings, ServiceSettings
from attractor.environments.local import LocalExecutionEnvironment
from attractor.growth.apps.process import app_sandbox, running_app
from attractor.growth.apps.routes import service_operations
from attractor.growth.apps.service_gateway import service_gateway
from attractor.growth.apps.services import adapters_in, configured, service_twins
from attractor.growth.apps.skeleton import generate, write_app
from attractor.growth.apps.twin_draft import twin_text
from attractor.growth.http_client import HttpClient
from attractor.growth.simulation.rehearse import rehearse
from attractor.growth.specification.files import write_spec
from attractor.llm.json_schema import find_faults
from attractor.twins.server.hosting import in_background
from attractor.twins.services.service import parse_service
from attractor.twins.services.service_twin import ServiceTwin
from tests.cli.running import attractor
from tests.growth.apps.small_app import write_with_bodies
from tests.growth.apps.test_service_gateway import ask
from tests.growth.simulation.test_held_out_traffic import planned
from tests.growth.test_declared_adapter import SPEC
from tests.pipeline.projects import adjusted, open_project

pytestmark = pytest.mark.anyio

BODIES = {
    "steps/look": """
    found = context.call('weather', 'forecast', {'place': 'north'})
    return {'day': [{'id': 'd', 'celsius': str(found['celsius'])}]}""",
    "steps/warn": """
    context.call('weather', 'warn_all', {'place': 'north', 'alert': {'level': 3}})
    return {}""",
}
ALERT: Mapping[str, Json] = {"level": 3, "words": []}


@contextmanager
def service(status: int = 200, **headers: str) -> Generator[tuple[str, list[str]]]:
    """Yield the URL of a service with one answer, and the requests that it gets."""
    got: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            got.append(f"{self.command} {self.path} {self.headers['authorization']}")
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "2"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", got
        finally:
            server.shutdown()


async def asked(tree: Path, url: str, method: str, path: str) -> tuple[int, object]:
    """Send a request through the gateway of an app to a service."""
    write_app(SPEC, tree)
    write_spec(SPEC, tree)
    outside: Mapping[str, str] = {"WEATHER_URL": url, "WEATHER_TOKEN": "secret"}
    environment = LocalExecutionEnvironment(tree)
    async with service_gateway(tree, environment, outside) as reached:
        key = f"Bearer {reached['WEATHER_TOKEN']}"
        gateway = reached["WEATHER_URL"].removesuffix("/weather")
        body = json.dumps({"alert": ALERT}).encode() if method == "POST" else b""
        return await asyncio.to_thread(ask, gateway, method, path, body, authorization=key)


async def test_gateway_sends_declared_operations_to_the_url_of_the_settings_only(
    tmp_path: Path,
) -> None:
    forecast = "/weather/v1/places/{}/forecast"
    with service() as (url, got):
        for place, status in (
            ("north", 200),
            ("%40127.0.0.1%3a1", 200),
            ("http:%2fevil.example", 200),
            ("%2f%2fevil.example", 502),
            ("http:%2f%2fevil.example", 502),
            ("..%2f..%2fadmin", 502),
            ("..%5cadmin", 502),
            ("%2e%2e", 502),
        ):
            found = await asked(tmp_path, f"{url}/api", "GET", forecast.format(place))
            assert found[0] == status, found
        assert got == [
            f"GET /api/v1/places/{place}/forecast Bearer secret"
            for place in ("north", "%40127.0.0.1%3A1", "http%3A%2Fevil.example")
        ]
        for method, path, status in (
            ("GET", f"http://169.254.169.254{forecast.format('x')}", 403),
            ("GET", "/weather//169.254.169.254/latest", 403),
            ("DELETE", forecast.format("north"), 403),
            ("GET", f"{forecast.format('north')}?url=http://evil.example", 400),
            ("POST", "/weather/v1/places/north/alerts", 200),
        ):
            assert (await asked(tmp_path, url, method, path))[0] == status, path
    assert len(got) == 4


async def test_redirect_of_a_service_is_not_followed(tmp_path: Path) -> None:
    forecast = "/weather/v1/places/north/forecast"
    with service() as (other, got), service(307, Location=f"{other}/x") as (url, _):
        found = await asked(tmp_path, url, "GET", forecast)
    fault = "GET /v1/places/{place}/forecast: status 307"
    assert (found, got) == ((307, fault), [])


async def test_app_in_a_sandbox_calls_a_twin_that_its_declaration_drafts(tmp_path: Path) -> None:
    tree = write_with_bodies(SPEC, tmp_path / "tree", BODIES)
    write_spec(SPEC, tree)
    assert adapters_in(tree) == ["weather"]
    (tree / "app" / "adapters" / "github_api.py").write_text("")
    assert adapters_in(tree) == ["weather"]
    async with (
        running_app(
            tree,
            tmp_path / "state",
            sandbox=await app_sandbox({}, hide=[]),
            services=service_twins(tmp_path),
        ) as app,
        AsyncClient(base_url=app.url, headers={"accept": "application/json"}) as client,
    ):
        (await client.post("/run/daily")).raise_for_status()
        records = (await client.get("/data/day")).json()
    assert [one["celsius"] for one in records["records"]] == ["1.5"]


async def test_rehearsal_says_whose_answers_were_made_up(tmp_path: Path) -> None:
    tree = write_with_bodies(SPEC, tmp_path / "tree", BODIES)
    write_spec(SPEC, tree)
    sandbox, plan = await app_sandbox({}, hide=[]), planned(SPEC, [])

    async def notes() -> list[str]:
        found = await rehearse(plan, [], before=None, after=tree, sandbox=sandbox, project=tmp_path)
        return [one for one in found.notes if "made up" in one]

    [note] = await notes()
    assert note.startswith("the answers of weather were made up: attractor twin draft weather ")
    (tmp_path / "scenarios" / "_twins" / "weather").mkdir(parents=True)
    assert await notes() == []


def test_drafted_twin_answers_each_operation_as_declared() -> None:
    operations = service_operations(SPEC, "weather")
    with in_background(ServiceTwin(parse_service(twin_text("weather", operations)))) as twin:
        values = twin.environ()
        client = HttpClient(values["WEATHER_URL"], values["WEATHER_TOKEN"], operations)
        calls: Mapping[str, Mapping[str, Json]] = {
            "forecast": {"place": "north"},
            "warn_all": {"place": "north", "alert": {**ALERT}},
        }
        for name, given in calls.items():
            answer = client.call(name, given)
            assert not find_faults(answer, dict(operations[name].output_schema))


def test_file_of_a_declared_adapter_follows_from_its_source() -> None:
    file = generate(SPEC)["app/adapters/weather.py"]
    assert file.nodes == ("weather", "weather.forecast", "weather.warn_all")
    changed = SPEC.replace(SPEC["weather.forecast"].with_fields(path="/v2/{place}"))
    assert "/v2/{place}" in generate(changed)["app/adapters/weather.py"].text


def test_settings_name_the_service_of_a_declared_adapter(tmp_path: Path) -> None:
    opened = open_project(tmp_path / "app")
    with pytest.raises(Refused, match=r"growth.adapters.weather.url is not set"):
        configured(opened, ["weather"])
    known = ServiceSettings(url="https://weather.example", token=SecretStr("t"))
    opened = adjusted(opened, growth=GrowthSettings(adapters={"weather": known}))
    expected = {"WEATHER_URL": "https://weather.example", "WEATHER_TOKEN": "t"}
    assert configured(opened, ["weather"]) == expected


def test_command_drafts_a_twin_once(tmp_path: Path) -> None:
    app = open_project(tmp_path / "app").root
    write_spec(SPEC, app)
    done = attractor("twin", "draft", "Weather", folder=app)
    assert "scenarios/_twins/weather/twin.toml" in done.stdout, done.stderr
    assert '[[twins]]\nname = "weather"' in done.stdout
    text = (app / "scenarios" / "_twins" / "weather" / "twin.toml").read_text()
    assert text == twin_text("weather", service_operations(SPEC, "weather"))
    again = attractor("twin", "draft", "Weather", folder=app)
    assert (again.returncode, "exists" in again.stderr) == (2, True)
    none = attractor("twin", "draft", "Almanac", folder=app)
    assert (none.returncode, "declares no operations" in none.stderr) == (2, True)
