"""The OpenAPI document describes every operation, and every answer to any request."""

import json
import os
import re
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute
from openapi_spec_validator import validate

from attractor.base.durations import DURATION_PATTERN
from attractor.base.json import Json
from attractor.factory.decisions.decide import DecisionKind
from attractor.growth.simulation.report import Depth
from attractor.growth.specification.rendering import DiagramFormat, SpecView
from attractor.server.access.limits import LIMITS, UNLIMITED
from attractor.server.application import OPENAPI, RESOURCES
from attractor.server.http.cursors import write_cursor
from attractor.server.http.idempotency import KEY, KEY_FORM
from attractor.server.service import Service
from attractor.snippets.snippet import Language
from tests.counts import IS_FULL, count
from tests.factory.decisions.test_decide import make_mixed
from tests.needs import needs
from tests.patience import PATIENCE_S, wait_until
from tests.server.conftest import SETTINGS, RunningServer, serving
from tests.server.runs import GATE, await_rest, await_status, start

# Most of its types are unknown.
schemathesis: Any = import_module("schemathesis")
engine: Any = import_module("schemathesis.engine")
events: Any = import_module("schemathesis.engine.events")
Config: Any = import_module("schemathesis.config").SchemathesisConfig

REDOCLY = "@redocly/cli@2.0.0"
STREAM = "text/event-stream"
PHASES = ("examples", "coverage", "fuzzing", "stateful")

# Requests that start processes, and other names of one of them.
STARTED = "runs|resume|fork|rewind|rebase|evaluate|execute|actors|dimensions|submit"
STARTS = f"^/(run|pipelines)$|/({STARTED})$"
OTHER_NAMES = "^/(run|pipelines)$"

INTEGER = r"[\w.]+: Input should be a valid integer"
NOISE = {
    rf"InvalidRequest: {INTEGER}(; {INTEGER})*$": "in JSON Schema, 1.0 is an integer",
    # A text that no pattern can describe, because a language or the calendar decides.
    r"ParseError: ": "a source is a pipeline",
    r"InvalidDesire: |InvalidSpec: ": "a text of desires is YAML, a document, or words for a model",
    r"RationaleTooShort: ": "only visible and different characters of a reason count",
    r"InvalidBranch: ": "Git decides about the names of branches",
    r"UsageError: invalid time in since": "a time is a date or a duration",
    r"UsageError: invalid cursor": "a cursor belongs to one list",
    r"UsageError: .*: outcome of ": "the outcomes of a node have a form of their own",
    r"InvalidDuration: .* is too large": "a duration is at most a hundred years",
    r"UsageError: invalid --max-duration 0": "a run needs some time",
    r"InvalidRequest: body: Value error, (duplicate|.* is a file and)": "places of files",
    r"UsageError: no model is chosen": "a model has a key in the variables of the server",
    r"NotRunnable: .* cannot be run: --\w+: unknown": "names of interviewers, models and so on",
    r"UsageError: invalid choice": "the question has the choices",
    # A text that names something, where the files and records decide.
    r"UsageError: ambiguous run": "the start of several run ids",
    r"UsageError: .* is no place for a pipeline": "a hidden file of the project",
    r"UsageError: invalid file|UsageError: .* is outside of the project": "a path of a file",
    r"UsageError: no race in this project": "a race is begun by the command line",
    r"UsageError: a mission needs|UsageError: the last commit has no": "what a mission is about",
    r"UsageError: invalid name of a mission": "a mission has the name of a branch",
    r"InvalidSuite: missing file|InvalidSuite: .*: not a folder": "a folder without a suite",
    r"UsageError: the body is the profile": "the address names another profile than the body",
    r"UsageError: only a run with an isolated workspace": "a run in the project's folder",
    # What the machine lacks.
    r"SandboxUnproved: .*no bwrap": "snippets need bubblewrap",
}
"""Why a valid request may be refused, by its problem."""
NOISY = ("positive_data_acceptance", "not_a_server_error")


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
        ("NewAmendment", "anyOf"): [["rationale"], ["note"], ["defect"], ["no_defect"]],
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
    assert len(cursors) == 11
    places: list[Json] = [0, 1 << 60, "01ABC", ["todo", 1]]
    for place in places:
        assert all(re.search(pattern, write_cursor(place)) for pattern in cursors)
    assert not any(
        re.search(pattern, text) for pattern in cursors for text in ("A", "A=", "Ä", "A ")
    )
    for kind in (DecisionKind, DiagramFormat, SpecView, Depth, Language):
        assert schemas[kind.__name__]["enum"] == [*kind]


@pytest.mark.skipif(not IS_FULL, reason="downloads a program with npx; set COUNTS=full")
@needs("npx")
def test_document_passes_redocly(server: RunningServer, tmp_path: Path) -> None:
    with server.client("read") as client:
        (tmp_path / "openapi.json").write_text(client.get(OPENAPI).text)
    command = ["npx", "--yes", REDOCLY, "lint", "--max-problems=1000", "openapi.json"]
    found = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    said = found.stdout + found.stderr
    if re.search("^npm (error|ERR!)", said, re.MULTILINE):
        pytest.skip(f"npx cannot install {REDOCLY}: {said[:300]}")
    assert found.returncode == 0, said
    assert "warning" not in said, said


def _operations(document: Any) -> Iterator[tuple[str, str]]:
    return ((path, method) for path, one in document["paths"].items() for method in one)


@schemathesis.hook
def before_call(context: object, case: Any, kwargs: object) -> None:
    """Send each valid idempotency key once: the answer to a repeated one says nothing new."""
    if re.fullmatch(KEY_FORM, case.headers.get(KEY.title(), "") if case.headers else ""):
        case.headers[KEY.title()] = uuid4().hex


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_answers_to_any_request_are_described(tmp_path: Path) -> None:
    flow = make_mixed(tmp_path)
    judged = flow.launch().run_id
    (flow.project / "attractor.toml").write_text(SETTINGS)
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    variables["ATTRACTOR_STATE_DIR"] = str(flow.machine.state_dir)
    service = Service.of(flow.project, variables)
    with serving(service, limits=UNLIMITED) as server, server.client() as client:
        asking = start(client, GATE)
        await_status(client, asking, lambda status: status["status"] == "awaiting_human")
        failed = start(client, GATE.replace("echo built", "false"))
        await_rest(client, failed)
        client.post("/api/v1/pipelines", json={"file": "pipeline.dot"}).raise_for_status()
        names = {
            "run": [judged, asking, failed, "latest"],
            "id": [judged, asking],
            "stage": ["plan@1", "make@1.1", "build", "ask"],
            "question": ["ask@1.1"],
            "name": ["prompt.md", "status.json"],
            "reference": ["lenient", "todo@1", "linear"],
            "rule": ["reachability"],
        }
        number, faults, played = _play(server, names, phases=count(ci=PHASES[2:], full=PHASES))
        document = client.get(OPENAPI).json()
        posts = {path for path, method in _operations(document) if method == "post"}
        live = {"live": True}
        wait_until(lambda: not client.get("/api/v1/runs", params=live).json()["items"])
    assert not faults, "\n\n".join(faults[:20])
    assert number >= count(ci=100, full=20_000)
    assert {f"POST {path}" for path in posts} <= played


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_refusals_of_too_many_requests_are_described(service: Service) -> None:
    with serving(service, limits=replace(LIMITS, burst=5, requests_per_s=0.01)) as server:
        _, faults, _ = _play(server, {}, phases=["fuzzing"], most=1)
    assert not faults, "\n\n".join(faults[:20])
    assert 429 in {one.status for one in server.log}


def _play(
    server: RunningServer,
    names: Mapping[str, Sequence[str]],
    *,
    phases: Collection[str],
    most: int = count(ci=1, full=210),
) -> tuple[int, list[str], set[str]]:
    """Send generated requests, of which half name something known in their paths.

    Return the number of requests, the answers that the document does not describe, and the
    operations.
    """
    with server.client("read") as client:
        # A pattern for long texts takes seconds to compile.
        document = json.loads(client.get(OPENAPI).text, object_hook=_without_long_texts)
    for path, method in _operations(document):
        for one in document["paths"][path][method].get("parameters", ()):
            if one["in"] == "path" and one["name"] in names:
                one["schema"] = {"anyOf": [{"enum": names[one["name"]]}, one["schema"]]}
    config = {
        "base-url": server.url,
        "auth": {"openapi": {"token": {"bearer": server.token()}}},
        "continue-on-failure": True,
        "generation": {"max-examples": most, "deterministic": True, "no-shrink": True},
        "phases": {one: {"enabled": one in phases} for one in PHASES},
        "operations": [
            {"include-path-regex": STARTS, "generation": {"max-examples": 1 + most // 10}},
            {"include-path-regex": OTHER_NAMES, "phases": {"coverage": {"enabled": False}}},
        ],
        "request-timeout": 60,
        "suppress-health-check": ["all"],
        "warnings": False,
    }
    schema = schemathesis.openapi.from_dict(document, config=Config.from_dict(config))
    number, faults, played = 0, list[str](), set[str]()
    for event in engine.from_schema(schema.exclude(_streams)).execute():
        if isinstance(event, (events.NonFatalError, events.FatalError)):
            faults.append(str(event))
        if isinstance(event, events.ScenarioFinished):
            number += len(event.recorder.interactions)
            played.add(event.recorder.label)
            faults += _faults(event.recorder)
    return number, faults, played


def _without_long_texts(record: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in record.items() if k != "maxLength" or not v > 9999}


def _streams(context: Any) -> bool:
    answers = context.operation.definition.raw["responses"].values()
    return any(STREAM in one.get("content", {}) for one in answers)


def _faults(recorder: Any) -> Iterator[str]:
    for case, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                continue
            answer = recorder.interactions[case].response
            if check.name in NOISY and answer.status_code in (400, 422, 503):
                problem = answer.json()
                fault = f"{problem['type'].rpartition(':')[2]}: {problem['detail']}"
                if any(re.match(noise, fault, re.DOTALL) for noise in NOISE):
                    continue
            failure = check.failure_info
            sent = failure.code_sample[:2000]
            yield f"{recorder.label}: {check.name}: {failure.failure}\n{sent}\n{answer.text[:500]}"
