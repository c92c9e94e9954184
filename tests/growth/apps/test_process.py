"""Serve generated apps: routes, types, gates, telemetry, recordings, and state after a kill."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE
from typing import Any

import httpx
import pytest

from attractor.growth.apps.process import app_sandbox, export_state, import_state, running_app
from attractor.growth.errors import AppFailed
from attractor.growth.simulation.traffic import read_recording
from attractor.growth.specification.document import read_document
from tests.counts import count
from tests.growth.apps.small_app import write_small_app, write_with_bodies
from tests.needs import needs_sandbox

pytestmark = pytest.mark.anyio

CLOCK = datetime(2026, 5, 5, tzinfo=UTC)
BLOCKS = [
    {"name": "b1", "kilos": 5, "locked_until": "2026-06-01", "owner": "Ann"},
    {"name": "b2", "kilos": 7},
]


@asynccontextmanager
async def serving(tree: Path) -> AsyncGenerator[httpx.AsyncClient]:
    async with (
        running_app(tree, tree.parent / "state", clock=CLOCK) as app,
        httpx.AsyncClient(base_url=app.url) as client,
    ):
        yield client


def json_of(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


async def test_gate_keeps_records_from_guarded_steps(tmp_path: Path):
    async with serving(write_small_app(tmp_path / "tree")) as client:
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


GUARDING = read_document(
    """
identity: {purpose: Guard}
data_contracts: {entities: [Block, Harvest]}
workflows:
  pipelines:
    - name: Run
      steps:
        - {name: First gate, reads: [Block], guards: [Harvesting, Weighing]}
        - {name: Meddling, reads: [Block], writes: [Block]}
        - {name: Harvesting, reads: [Block], writes: [Harvest]}
        - {name: Second gate, reads: [Block], guards: [Weighing]}
        - {name: Weighing, writes: [Block]}
"""
)
SEEN = """import json, random
    context.note(json.dumps([one['id'] for one in records['block']]))
    """
ANY = SEEN + "return {'%s': [{'id': one} for one in 'abcdef' if random.random() < %s]}"
PASS = SEEN + "return {'block': [one for one in records['block'] if random.random() < 0.8]}"
RANDOM_BODIES = {
    "steps/first_gate": PASS,
    "steps/meddling": ANY % ("block", 0.9),
    "steps/harvesting": ANY % ("harvest", 0.5),
    "steps/second_gate": PASS,
    "steps/weighing": ANY % ("block", 0.2),
}


async def test_blocked_records_reach_no_guarded_step_whatever_bodies_return(tmp_path: Path):
    tree = write_with_bodies(GUARDING, tmp_path / "tree", RANDOM_BODIES)
    refused = hits = 0
    async with serving(tree) as client:
        for _ in range(count(ci=25, full=2000)):
            before = {one["id"] for one in json_of(await client.get("/data/block"))["records"]}
            response = await client.post("/run/run")
            if response.status_code == 500:
                assert "blocked" in response.json()["error"]
                refused += 1
                continue
            first, meddling, harvesting, second, weighing = json_of(response)["steps"]
            stopped = {one.partition("/")[2] for one in first["blocked"]}
            assert stopped.isdisjoint(json.loads(harvesting["note"]))
            assert set(json.loads(meddling["note"])) == before
            stopped |= {one.partition("/")[2] for one in second["blocked"]}
            assert stopped.isdisjoint(json.loads(weighing["note"]))
            hits += len(first["blocked"]) + len(second["blocked"])
            after = {one["id"] for one in json_of(await client.get("/data/block"))["records"]}
            # The guarded step replaced visible records only, and no hidden ones.
            assert stopped & set(json.loads(second["note"])) <= after
        counts = json_of(await client.get("/telemetry"))
    assert refused
    assert hits
    assert counts["run"]["errors"] == counts["weighing"]["errors"] == refused


NOTHING = "return {}"
FAULTS = {
    # pipeline: body of its last step, status, part of the error message
    "undeclared": ("return {'block': []}", 500, "writes 'block', which it does not declare"),
    "blocked": ("return {'harvest': [{'id': 'h1'}]}", 500, "harvest that blocked_gate blocked"),
    "twice": ("return {'harvest': [{'id': 'h1'}, {'id': 'h1'}]}", 500, "twice"),
    "invalid": ("return {'harvest': [{'id': 'h1', 'kilos': 'x'}]}", 500, "kilos: not of type"),
    "listless": ("return {'harvest': None}", 500, "no list of harvest"),
    "adding": ("return {}", 500, "gate adding_gate adds records to harvest"),
    "failing": ("raise ValueError(records['block'][0]['owner'])", 500, "ValueError at app/steps/"),
    "exiting": ("raise SystemExit(1)", 500, "SystemExit at app/steps/"),
}
GATES = {
    "blocked_gate": NOTHING.replace("{}", "{'harvest': []}"),
    "adding_gate": "return {'harvest': [{'id': 'new'}]}",
}
FAULTY = read_document(
    """
identity: {purpose: Fail}
data_contracts:
  entities:
    - {name: Block, fields: [{name: owner, pii: "true"}]}
    - {name: Harvest, fields: [{name: kilos, type: number}]}
workflows:
  pipelines:
    - {name: Unbuilt, steps: [Wait]}
"""
    + "".join(
        f"""
    - name: {name}
      steps:
        - {{name: {name} gate, reads: [Harvest], guards: [{name} step]}}
        - {{name: {name} step, reads: [Block], writes: [Harvest]}}
"""
        for name in FAULTS
    )
)


async def test_faulty_bodies_change_nothing_and_are_counted(tmp_path: Path):
    steps = {f"steps/{name}_step": body for name, (body, *_) in FAULTS.items()}
    gates = {f"steps/{name}_gate": NOTHING for name in FAULTS}
    gates |= {f"steps/{name}": body for name, body in GATES.items()}
    tree = write_with_bodies(FAULTY, tmp_path / "tree", {**steps, **gates})
    async with running_app(tree, tmp_path / "state") as app:
        async with httpx.AsyncClient(base_url=app.url) as client:
            await client.post("/data/block", json={"id": "b1", "owner": "Ann Secret"})
            await client.post("/data/harvest", json={"id": "h1", "kilos": 2})
            for name, (_, status, words) in FAULTS.items():
                error = json_of(await client.post(f"/run/{name}"), status)["error"]
                assert words in error, name
            assert json_of(await client.post("/run/unbuilt"), 501)["error"] == (
                "step wait is not built"
            )
            kept = json_of(await client.get("/data/harvest"))["records"]
            assert kept == [{"id": "h1", "kilos": 2}]
            counts = json_of(await client.get("/telemetry"))
            assert {counts[name]["errors"] for name in FAULTS} == {1}
            assert counts["blocked_gate"]["guard_hits"] == 2  # stopped once, refused once
        log = "".join(app.output)
    assert "error: ValueError at app/steps/failing_step.py" in log
    assert "Secret" not in log


async def test_records_follow_the_types_of_their_fields(tmp_path: Path):
    invalid = [
        ({"name": "b1", "kilos": 1.5}, "block.kilos: not of type integer"),
        ({"name": "b1", "kilos": True}, "block.kilos: not of type integer"),
        ({"name": "b1", "locked_until": "2026-6-1"}, "block.locked_until: not of type date"),
        ({"name": 7}, "block.name: not of type text"),
        ({"name": "b1", "colour": "red"}, "block: unknown field 'colour'"),
        ({"kilos": 1}, "block: missing key name"),
        ({"name": "b1", "id": "other"}, "block: 'id' differs from the key name"),
        ([{"name": "b1"}, 3], "block: a record is an object"),
    ]
    async with serving(write_small_app(tmp_path / "tree")) as client:
        for body, error in invalid:
            assert json_of(await client.post("/data/block", json=body), 422) == {"error": error}
        assert json_of(await client.get("/data/block"))["records"] == []

        await client.post("/data/block", json=BLOCKS)
        assert json_of(await client.post("/data/block", json=BLOCKS[0]), 409)
        put = {"name": "b2", "kilos": 8}
        assert json_of(await client.put("/data/block/b2", json=put))["kilos"] == 8
        assert json_of(await client.put("/data/block/b3", json=put), 422)
        assert json_of(await client.post("/data/harvest", json={"id": "h", "kilos": 1.5}), 201)
        assert json_of(await client.post("/data/harvest", content=b'{"id": NaN}'), 422)
        for path in ("/data/cow", "/panels/cow", "/outputs/cow", "/cow"):
            assert json_of(await client.get(path), 404)["error"].startswith("unknown")
        assert json_of(await client.post("/run/cow"), 404)


@contextmanager
def command(tree: Path, **variables: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Start the server by the command of the contract, without a harness."""
    environ = {**os.environ, "APP_STATE": str(tree.parent / "state"), **variables}
    argv = [sys.executable, "-m", "app", "serve", "--port", "0"]
    with subprocess.Popen(argv, cwd=tree, env=environ, stdout=PIPE, text=True) as process:
        try:
            assert process.stdout
            ready = process.stdout.readline()
            assert ready.startswith("listening on http://127.0.0.1:")
            yield process, ready.split()[-1]
        finally:
            process.kill()


async def test_killed_app_loses_nothing_acknowledged(tmp_path: Path):
    tree = write_small_app(tmp_path / "tree")
    acknowledged: set[str] = set()
    with command(tree) as (process, url):

        async def write(client: httpx.AsyncClient, name: str) -> None:
            for number in range(1000):
                body = {"name": f"{name}{number}"}
                json_of(await client.post("/data/block", json=body), 201)
                acknowledged.add(body["name"])
                if len(acknowledged) == 20:
                    process.kill()

        async with httpx.AsyncClient(base_url=url) as client:
            writers = (write(client, name) for name in "ab")
            errors = await asyncio.gather(*writers, return_exceptions=True)
    assert all(isinstance(one, httpx.TransportError) for one in errors)
    state = await export_state(tree, tmp_path / "state")
    assert len(acknowledged) >= 20
    assert acknowledged <= {str(one["id"]) for one in state["block"]}


def test_recording_begins_with_the_state_and_holds_each_exchange(tmp_path: Path):
    tree = write_small_app(tmp_path / "tree")
    variables = {"APP_RECORDING": str(tmp_path / "taped"), "APP_CLOCK": "2026-05-05T00:00:00Z"}
    with command(tree, **variables) as (_, url), httpx.Client(base_url=url) as client:
        client.post("/data/block", json=BLOCKS)
        client.post("/run/nightly")
        client.get("/health")
        client.get("/")
    recording = read_recording(tmp_path / "taped")
    assert recording.state == {"block": (), "harvest": ()}
    assert recording.conditions.clock == CLOCK
    paths = [(one.request.path, one.response.status) for one in recording.exchanges]
    assert paths == [("/data/block", 201), ("/run/nightly", 200), ("/", 200)]
    assert recording.requests[0].body == BLOCKS
    assert str(recording.exchanges[2].response.body).startswith("<!doctype html>")


@needs_sandbox
async def test_app_in_a_sandbox_writes_its_state_only(tmp_path: Path):
    sandbox = await app_sandbox(os.environ, hide=[tmp_path / "secret"])
    body = "open('app/steps/weigh.py', 'w').write('')"
    tree = write_small_app(tmp_path / "tree", {"steps/weigh": body})
    async with (
        running_app(tree, tmp_path / "state", sandbox=sandbox) as app,
        httpx.AsyncClient(base_url=app.url) as client,
    ):
        error = json_of(await client.post("/run/nightly"), 500)["error"]
        assert "OSError" in error
    state = {"block": ({"id": "b1", "name": "b1"},), "harvest": ()}
    await import_state(tree, tmp_path / "state", state, sandbox=sandbox)
    assert await export_state(tree, tmp_path / "state", sandbox=sandbox) == state


async def test_app_that_does_not_start_is_an_error(tmp_path: Path):
    tree = write_small_app(tmp_path / "tree")
    (tree / "app" / "spec.py").write_text("raise RuntimeError('broken')")
    with pytest.raises(AppFailed, match="broken"):
        async with running_app(tree, tmp_path / "state"):
            pass
    whole = write_small_app(tmp_path / "whole")
    with pytest.raises(AppFailed, match="cannot import its state: unknown entity 'cow'"):
        await import_state(whole, tmp_path / "state", {"cow": ()})


async def test_small_answer_is_sent_at_once(tmp_path: Path):
    """Nagle's algorithm with delayed acknowledgements costs 40 ms a response."""
    async with serving(write_small_app(tmp_path / "tree")) as client:
        seconds = [(await client.get("/data/block")).elapsed.total_seconds() for _ in range(15)]
    assert min(seconds) < 0.03
