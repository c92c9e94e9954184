"""The OpenAPI document describes every operation, and every answer to any request."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate

from attractor.base.durations import DURATION_PATTERN
from attractor.base.json import Json
from attractor.factory.decisions.decide import DecisionKind
from attractor.growth.simulation.report import Depth
from attractor.growth.specification.rendering import DiagramFormat, SpecView
from attractor.records.request import WorkspaceKind
from attractor.server.access.limits import LIMITS, UNLIMITED, Limits
from attractor.server.application import OPENAPI, RESOURCES
from attractor.server.http.cursors import write_cursor
from attractor.server.service import Service
from attractor.snippets.snippet import Language
from tests.counts import IS_FULL, count
from tests.needs import needs
from tests.server.conftest import RunningServer, serving

# Most of its types are unknown.
schemathesis: Any = import_module("schemathesis")
checks: Any = import_module("schemathesis.checks")
conformance: Any = import_module("schemathesis.specs.openapi.checks")
CHECKS = [
    checks.not_a_server_error,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_schema_conformance,
]
REDOCLY = "@redocly/cli@2.0.0"
STREAM = "text/event-stream"


def test_document_lists_every_operation(server: RunningServer) -> None:
    with server.client("read") as client:
        document = client.get(OPENAPI).json()
    described = set(_operations(document))
    routes = [one for name in RESOURCES for one in RESOURCES[name].routes]
    operations = {
        (one.path_format, method.lower())
        for one in routes
        if isinstance(one, APIRoute)
        for method in one.methods or ()
    }
    assert document["openapi"].startswith("3.1")
    assert described == operations
    for path, method in described:
        operation = document["paths"][path][method]
        assert operation["description"], path
        scope = operation["security"][0]["token"][0]
        assert ({"session": []} in operation["security"]) == (scope != "decide"), path
        assert {"401", "429", "503"} <= operation["responses"].keys(), path
        assert ("requestBody" in operation) == ("415" in operation["responses"]), path
    started = document["paths"]["/api/v1/runs"]["post"]["responses"]["201"]["headers"]
    assert started.keys() == {"Location", "Idempotency-Replayed"}
    validate(document)
    for name in set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document))):
        assert name in document["components"]["schemas"]


def test_document_describes_choices_patterns_and_enums(server: RunningServer) -> None:
    with server.client("read") as client:
        document = client.get(OPENAPI).json()
    profile = "/api/v1/profiles/{reference}"
    assert {path for path in document["paths"] if path.startswith("/api/v1/profiles/")} == {
        profile,
        f"{profile}/retire",
    }
    schemas = document["components"]["schemas"]
    choices = {
        (name, kind): [one["required"] for one in forms]
        for name, schema in schemas.items()
        for part in schema.get("allOf", ())
        for kind, forms in part.items()
    }
    assert choices == {
        ("StartBody", "oneOf"): [["source"], ["file"], ["pipeline"]],
        ("Snippet", "oneOf"): [["code"], ["command"]],
        ("NewAmendment", "anyOf"): [["rationale"], ["note"]],
    }
    patterns = {
        ("NewWaiver", "expires"): DURATION_PATTERN,
        **{
            (body, "max_duration"): f"{DURATION_PATTERN}|^$"
            for body in ("StartBody", "ResumeBody", "ForkBody", "RewindBody")
        },
        ("Profile", "name"): "^[a-z0-9][a-z0-9_-]*$",
        ("PipelineText", "file"): r"^[\s\S]*(\.dot|\.gv)$",
    }
    for (body, name), pattern in patterns.items():
        assert schemas[body]["properties"][name]["pattern"] == pattern
    cursors = [
        one["schema"]["pattern"]
        for path, method in _operations(document)
        for one in document["paths"][path][method].get("parameters", ())
        if one["name"] == "cursor"
    ]
    assert len(cursors) == 10
    places: list[Json] = [0, 1 << 60, "01ABC", ["todo", 1]]
    for place in places:
        assert all(re.search(pattern, write_cursor(place)) for pattern in cursors)
    assert not any(
        re.search(pattern, text) for pattern in cursors for text in ("A", "A=", "Ä", "A ")
    )
    for kind in (WorkspaceKind, DecisionKind, DiagramFormat, SpecView, Depth, Language):
        assert schemas[kind.__name__]["enum"] == [*kind]


@pytest.mark.skipif(not IS_FULL, reason="downloads a program with npx; set COUNTS=full")
@needs("npx", "Node")
def test_document_passes_redocly(server: RunningServer, tmp_path: Path) -> None:
    with server.client("read") as client:
        (tmp_path / "openapi.json").write_text(client.get(OPENAPI).text)
    command = ["npx", "--yes", REDOCLY, "lint", "--max-problems=1000", "openapi.json"]
    found = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    said = found.stdout + found.stderr
    if re.search("^npm (error|ERR!)", said, re.MULTILINE):
        pytest.skip(f"npx cannot install {REDOCLY}: {said[:300]}")
    assert found.returncode == 0, said
    assert "warning" not in said, said


def _operations(document: Any) -> Iterator[tuple[str, str]]:
    return ((path, method) for path, one in document["paths"].items() for method in one)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize(
    ("limits", "operations"),
    # All operations have the same answer to too many requests, so a few are enough.
    [(UNLIMITED, None), (replace(LIMITS, burst=5, requests_per_s=0.01), count(ci=10, full=1000))],
    ids=["unlimited", "limited"],
)
def test_answers_to_any_request_are_described(
    service: Service, limits: Limits, operations: int | None
) -> None:
    with serving(service, limits=limits) as server:
        faults = _faults(server, operations)
    assert faults == []
    assert (429 in {one.status for one in server.log}) == (limits is not UNLIMITED)


def _faults(server: RunningServer, operations: int | None) -> list[str]:
    """Return the answers to arbitrary requests that the document does not describe."""
    headers = {"authorization": f"Bearer {server.token()}"}
    with server.client("read") as client:
        document = client.get(OPENAPI).text
    # A pattern for texts of half a megabyte takes seconds to compile; generated texts are short.
    shorter = re.sub(r'("maxLength": ?)\d{4,}', r"\g<1>999", document)
    schema = schemathesis.openapi.from_dict(json.loads(shorter))
    schema.config.update(base_url=server.url)
    faults: list[str] = []
    for found in islice(schema.get_all_operations(), operations):
        operation = found.ok()
        if _streams(operation):
            continue

        @settings(
            max_examples=count(ci=1, full=20),
            database=None,
            derandomize=True,
            deadline=None,
            suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
        )
        @given(case=operation.as_strategy())
        def play(case: Any) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS, timeout=60)

        try:
            play()
        except (AssertionError, BaseExceptionGroup) as fault:
            faults.append(f"{operation.label}: {fault}")
    return faults


def _streams(operation: Any) -> bool:
    answers = operation.definition.raw["responses"].values()
    return any(STREAM in one.get("content", {}) for one in answers)
