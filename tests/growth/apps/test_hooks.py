"""Send signed records to a generated app, and attack its hooks."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from attractor.config.sections import SecretStr
from attractor.config.settings import GrowthSettings, HookSettings
from attractor.config.tables import model_of
from attractor.growth.apps.routes import downstream, hooks
from attractor.growth.apps.services import hook_variables, settings_for
from attractor.growth.apps.skeleton import write_app
from attractor.growth.evidence import find_gate_changes
from attractor.growth.morph import apply_morphs, read_morph
from attractor.growth.simulation.traffic import read_recording
from attractor.growth.specification.document import read_document
from attractor.growth.specification.document_writer import write_document
from attractor.growth.specification.files import write_spec
from tests.growth.apps.lending import BODIES, LENDING
from tests.growth.apps.small_app import write_with_bodies
from tests.growth.apps.test_pages import records, served
from tests.pipeline.projects import adjusted, open_project
from tests.tables import table

SECRET = "a-secret-of-the-operator"
NOW = int(datetime(2026, 11, 26, 8, tzinfo=UTC).timestamp())
HOOKED = apply_morphs(
    LENDING,
    [
        read_morph({"type": "add_hook", "name": name, "receives": entity, "runs": "Lending"})
        for name, entity in (("Shop", "Tool"), ("Phone", "Wish"))
    ],
)


def sign(body: bytes, *, at: str = str(NOW), secret: str = SECRET) -> dict[str, str]:
    right = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Signature": f"t={at},v1={right}"}


def post(client: httpx.Client, name: str, value: object, at: int = NOW) -> httpx.Response:
    body = json.dumps(value).encode()
    return client.post(f"/hooks/{name}", content=body, headers=sign(body, at=str(at)))


@pytest.fixture
def client(tmp_path: Path) -> Generator[httpx.Client]:
    tree = write_with_bodies(HOOKED, tmp_path / "tree", BODIES)
    secrets = {"HOOK_SHOP_SECRET": SECRET, "HOOK_PHONE_SECRET": SECRET}
    with served(tree, APP_RECORDING=str(tmp_path / "taped"), **secrets) as client:
        yield client


def test_delivery_becomes_a_record_runs_its_pipeline_and_is_recorded(
    client: httpx.Client, tmp_path: Path
) -> None:
    assert post(client, "shop", {"name": "Axe", "kind": "hand"}).json() == {"received": "Axe"}
    client.post("/data/neighbour", json={"name": "Ann"})
    wish = {"tool": "Axe", "neighbour": "Ann"}
    assert post(client, "phone", wish).status_code == 201
    # The trigger of a wish runs the same pipeline, once.
    assert [one["tool"] for one in records(client, "loan")] == ["Axe"]
    assert client.get("/telemetry").json()["lending"]["runs"] == 2
    client.post("/hooks/shop", content=b"spam")
    told = [one.request for one in read_recording(tmp_path / "taped").exchanges]
    sent = [one.path for one in told if one.method == "POST"]
    assert sent == ["/data/tool", "/data/neighbour", "/data/wish"]


BODY = b'{"name": "Axe", "kind": "hand"}'
RIGHT = sign(BODY)["X-Signature"]
ATTACKS = {
    "none": "",
    "other secret": sign(BODY, secret="x")["X-Signature"],
    "empty secret": sign(BODY, secret="")["X-Signature"],
    "other body": sign(BODY + b" ")["X-Signature"],
    "old": sign(BODY, at=str(NOW - 301))["X-Signature"],
    "of the future": sign(BODY, at=str(NOW + 301))["X-Signature"],
    "other time": RIGHT.replace(f"t={NOW}", f"t={NOW + 1}"),
    "zero before": RIGHT.replace("t=", "t=0"),
    "two": f"{RIGHT},{RIGHT}",
    "capitals": RIGHT.replace(RIGHT[-64:], RIGHT[-64:].upper()),
    "short": RIGHT[:-1],
    "no time": RIGHT.partition(",")[2],
    "long time": RIGHT.replace("t=", "t=9999999999999"),
}


def test_delivery_of_nobody_changes_nothing(client: httpx.Client) -> None:
    for name, header in ATTACKS.items():
        answer = client.post("/hooks/shop", content=BODY, headers={"x-signature": header})
        assert answer.status_code == 401, name
    assert records(client, "tool") == []
    assert post(client, "other", {}).status_code == 404


def test_delivery_is_received_once(client: httpx.Client) -> None:
    assert post(client, "shop", {"name": "Axe", "kind": "hand"}).status_code == 201
    assert client.delete("/data/tool/Axe").status_code == 200
    again = post(client, "shop", {"name": "Axe", "kind": "hand"})
    assert (again.status_code, records(client, "tool")) == (409, [])
    assert post(client, "shop", {"name": "Axe", "kind": "hand"}, NOW + 1).status_code == 201
    # The secret is the same, but another hook has another entity.
    assert post(client, "phone", {"name": "Axe", "kind": "hand"}).status_code == 422


@pytest.mark.anyio
async def test_one_of_many_equal_deliveries_is_received(client: httpx.Client) -> None:
    async with httpx.AsyncClient(base_url=client.base_url) as other:
        sent = [other.post("/hooks/shop", content=BODY, headers=sign(BODY)) for _ in range(10)]
        answers = await asyncio.gather(*sent)
    assert sorted(one.status_code for one in answers) == [201, *[409] * 9]


ODD = (b'{"name": NaN}', b'{"name": 1e999}', b'{"name": "\\ud800"}', b"\xff")


@table("body", [b"", b"[]", b"[" * 60_000, b"{", b'"x"', *ODD])
def test_signed_body_that_is_no_record_is_refused(client: httpx.Client, body: bytes) -> None:
    assert client.post("/hooks/shop", content=body, headers=sign(body)).status_code == 422


def test_wrong_record_is_refused_and_may_be_sent_again(client: httpx.Client) -> None:
    unknown = {"name": "Axe", "kind": "hand", "__class__": "x"}
    assert post(client, "shop", unknown).json() == {"error": "tool: unknown field '__class__'"}
    assert post(client, "shop", {"name": "Axe", "kind": 1}).status_code == 422
    missing = {"tool": "no", "neighbour": "no"}
    for _ in range(2):
        # The refused one was not noted.
        assert post(client, "phone", missing).status_code == 422
    large = b'{"name": "' + b"x" * 65_536 + b'"}'
    assert client.post("/hooks/shop", content=large, headers=sign(large)).status_code == 413


def test_hook_without_a_secret_says_so(tmp_path: Path) -> None:
    write_app(HOOKED, tmp_path / "tree")
    with served(tmp_path / "tree") as client:
        answer = client.post("/hooks/shop", content=BODY, headers=sign(BODY, secret=""))
    assert answer.status_code == 503
    words = "the hook shop has no secret: set growth.hooks.shop.secret"
    assert answer.json() == {"error": words}


def test_secret_of_the_settings_reaches_the_app_by_its_variable(tmp_path: Path) -> None:
    write_spec(HOOKED, tmp_path / "tree")
    assert hook_variables(tmp_path / "tree") == ["HOOK_PHONE_SECRET", "HOOK_SHOP_SECRET"]
    hook = HookSettings(secret=SecretStr(SECRET))
    growth = GrowthSettings(hooks={"shop": hook, "other": hook})
    project = adjusted(open_project(tmp_path / "project"), growth=growth)
    assert settings_for(project, tmp_path / "tree") == {"HOOK_SHOP_SECRET": SECRET}
    with pytest.raises(ValidationError, match="at least 16"):
        model_of(HookSettings).model_validate({"secret": "short"})


def test_hook_changes_the_evidence_of_a_gate_and_what_its_pipeline_writes() -> None:
    changes = [str(one) for one in find_gate_changes(LENDING, HOOKED, {})]
    assert changes == ["free_tools: phone writes wish, which it reads"]
    assert {"wish", "lending", "loan"} <= downstream(HOOKED, ["phone"])


def test_hook_is_written_as_declared() -> None:
    text = write_document(HOOKED)
    assert "receives:\n    - tool" in text
    assert hooks(read_document(text)) == hooks(HOOKED)
