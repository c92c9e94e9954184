"""A generated app describes its API, and answers any request without a fault of its own."""

from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import pytest
from openapi_spec_validator import validate

from attractor.growth.apps.routes import entities_of
from attractor.growth.morph import apply_morphs
from attractor.growth.specification.graph import Relation, SpecGraph
from tests.counts import count
from tests.growth.apps.lending import LENDING, write_lending
from tests.growth.apps.small_app import write_with_bodies
from tests.growth.apps.test_pages import ALLOWED, served
from tests.growth.sequences import GUARDED, random_sequence, without_limits

# Most of its types are unknown.
schemathesis: Any = import_module("schemathesis")
engine: Any = import_module("schemathesis.engine")
events: Any = import_module("schemathesis.engine.events")
Config: Any = import_module("schemathesis.config").SchemathesisConfig

SERVER_ERROR = 500


def write_built(graph: SpecGraph, folder: Path) -> Path:
    """Write an app whose steps pass everything on, and whose panels show everything."""
    kept = {
        step.id: {
            *entities_of(graph, step, Relation.WRITES),
            *entities_of(graph, step, Relation.READS),
        }
        if step.targets(Relation.GUARDS)
        else {*entities_of(graph, step, Relation.WRITES)}
        for step in graph.of_kind("step")
    }
    steps = {
        f"steps/{id_}": f"return {{one: records[one] for one in {sorted(entities)!r}}}"
        for id_, entities in kept.items()
    }
    shown = "[one for each in records.values() for one in each]"
    panels = {
        f"panels/{one.id}": f"return Panel('P', 1, {shown})" for one in graph.of_kind("panel")
    }
    return write_with_bodies(graph, folder, {**steps, **panels})


def answers(address: str, document: Any, *, most: int, seed: int) -> list[tuple[str, int]]:
    """Send generated requests, valid ones and others; return each with its status."""
    config = {
        "base-url": address,
        "headers": {**ALLOWED},
        "continue-on-failure": True,
        "seed": seed,
        "generation": {"max-examples": most, "no-shrink": True},
        "phases": {
            one: {"enabled": one == "fuzzing"}
            for one in ("examples", "coverage", "fuzzing", "stateful")
        },
        "suppress-health-check": ["all"],
        "warnings": False,
    }
    schema = schemathesis.openapi.from_dict(document, config=Config.from_dict(config))
    found: list[tuple[str, int]] = []
    for event in engine.from_schema(schema).execute():
        assert not isinstance(event, (events.NonFatalError, events.FatalError)), str(event)
        if isinstance(event, events.ScenarioFinished):
            for one in event.recorder.interactions.values():
                assert one.response is not None
                found.append((f"{one.request.method} {one.request.uri}", one.response.status_code))
    return found


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_no_request_is_answered_by_a_server_error(tmp_path: Path) -> None:
    for seed in range(count(ci=1, full=10)):
        grown = apply_morphs(GUARDED, random_sequence(seed, GUARDED)) if seed else LENDING
        graph = without_limits(grown)
        tree = write_built(graph, tmp_path / str(seed) / "tree")
        with served(tree) as client:
            document = client.get("/openapi.json").json()
            validate(document)
            operations = sum(
                len({"get", "put", "post", "delete"} & {*one}) for one in document["paths"].values()
            )
            wanted = count(ci=100, full=5000)
            found = list[tuple[str, int]]()
            # Operations with few inputs end early.
            for again in range(20):
                most = 1 + wanted // operations
                found += answers(str(client.base_url), document, most=most, seed=again)
                if len(found) >= wanted:
                    break
        assert [one for one in found if one[1] >= SERVER_ERROR] == []
        assert len(found) >= wanted
        assert {200, 201, 422} <= {status for _, status in found}


def test_deep_json_is_refused_with_a_plain_error(tmp_path: Path) -> None:
    with served(write_lending(tmp_path / "tree")) as client:
        client.headers["accept"] = "application/json"
        for depth in (100, *range(850, 1010, 5), 100_000):
            for body in (
                "[" * depth,
                "[" * depth + "]" * depth,
                f'{{"name":{"[" * depth}{"]" * depth}}}',
            ):
                for path in ("/data/tool", "/actions/lend_again", "/run/remind"):
                    answer = client.post(path, content=body)
                    assert answer.status_code < SERVER_ERROR, (path, depth, answer.text)
        assert client.post("/data/tool", content="[" * 100_000).json() == {"error": "invalid JSON"}


def test_odd_form_is_refused_and_no_server_error(tmp_path: Path) -> None:
    random = Random(1)
    pieces = [
        "name",
        "kind",
        "=",
        "&",
        "%",
        "%00",
        "%ff",
        "+",
        "hand",
        "\x00",
        "a" * 3000,
        "price=1e999",
    ]
    with served(write_lending(tmp_path / "tree")) as client:
        for _ in range(count(ci=60, full=2000)):
            body = "".join(random.choices(pieces, k=random.randint(0, 12))).encode()
            for path in ("/records/tool", "/records/wish", "/do/lend_again", "/records/tool/x"):
                assert client.post(path, content=body).status_code < SERVER_ERROR, (path, body)
        assert client.post("/records/tool", content=b"a" * 2_000_000).status_code == 413
