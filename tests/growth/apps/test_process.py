"""An app that runs: routes, types, gates, telemetry, and state that survives a kill."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from attractor.growth.apps.process import running_app
from tests.growth.apps.small_app import write_small_app

pytestmark = pytest.mark.anyio

CLOCK = datetime(2026, 5, 5, tzinfo=UTC)
BLOCKS = [
    {"name": "b1", "kilos": 5, "locked_until": "2026-06-01", "owner": "Ann"},
    {"name": "b2", "kilos": 7},
]


@asynccontextmanager
async def serving(folder: Path, **bodies: str) -> AsyncGenerator[httpx.AsyncClient]:
    tree = write_small_app(folder / "tree", {k.replace("__", "/"): v for k, v in bodies.items()})
    async with (
        running_app(tree, folder / "state", clock=CLOCK) as app,
        httpx.AsyncClient(base_url=app.url) as client,
    ):
        yield client


def json_of(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


async def test_a_gate_keeps_records_from_guarded_steps(tmp_path: Path):
    async with serving(tmp_path) as client:
        added = json_of(await client.post("/data/block", json=BLOCKS), 201)["records"]
        assert [one["id"] for one in added] == ["b1", "b2"]

        report = json_of(await client.post("/run/nightly"))
        gate, allocate = report["steps"][1:]
        assert (gate["in"], gate["out"], gate["blocked"]) == (
            {"block": 2},
            {"block": 1},
            ["block/b1"],
        )
        assert (allocate["in"]["block"], allocate["note"]) == (1, "strategy all")
        harvest = [{"id": "h-b2", "kilos": 7}]
        assert report["outputs"] == {"packlist": {"harvest": harvest}}
        assert json_of(await client.get("/outputs/packlist"))["records"] == {"harvest": harvest}
        assert len(json_of(await client.get("/data/block"))["records"]) == 2
        counts = json_of(await client.get("/telemetry"))
        assert counts["phi_gate"] == {"runs": 1, "errors": 0, "guard_hits": 1}
        page = await client.get("/")
        assert "h-b2" in page.text
        panel = await client.get("/panels/brief", headers={"Accept": "application/json"})
        assert json_of(panel) == {"id": "brief", "title": "Brief", "priority": 3, "rows": harvest}
