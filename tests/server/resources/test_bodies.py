"""Bodies of all operations: values of other types and long texts are refused, never converted."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx

from attractor.server.access.limits import UNLIMITED
from attractor.server.application import OPENAPI
from attractor.server.resources.worlds import SpawnBody
from attractor.server.service import Service
from tests.server.conftest import RunningServer, serving
from tests.server.test_attacks import Operation, operations_in

TYPES: Mapping[str, Sequence[object]] = {
    "boolean": ["no", "true", 1],
    "number": ["5", True],
    "integer": ["5", True, 1.5],
    "string": [5, True],
    "array": ["a"],
    "object": ["a"],
}
"""Values that are of another type, by the type of a field."""


def bodies_in(document: Any) -> Iterator[tuple[Operation, dict[str, Any], dict[str, Any]]]:
    """Yield the operations with a JSON object, their smallest body, and their fields."""
    for one in operations_in(document):
        described: Any = document["paths"].get(one.path.replace(":path", ""), {})
        operation: Any = described.get(one.method.lower(), {})
        content: Any = operation.get("requestBody", {}).get("content", {})
        schema: Any = content.get("application/json", {}).get("schema", {})
        # A body that may be missing is one of two.
        name = str(schema.get("anyOf", [schema])[0].get("$ref", "")).rpartition("/")[2]
        fields = document["components"]["schemas"].get(name, {}).get("properties", {})
        if fields:
            yield one, json.loads(one.body), fields


def forms_of(field: dict[str, Any], document: Any) -> Iterator[dict[str, Any]]:
    """Yield the schemas of which a value matches one."""
    if name := field.get("$ref", "").rpartition("/")[2]:
        yield from forms_of(document["components"]["schemas"][name], document)
    elif "anyOf" in field:
        for one in field["anyOf"]:
            yield from forms_of(one, document)
    else:
        yield field


def sent(
    client: httpx.Client, server: RunningServer, one: Operation, body: object
) -> httpx.Response:
    """Send a body to the project, its newest run, and names that nothing has."""
    places = {"project": server.service.project_id, "run": "latest"}
    return client.request(one.method, one.at(places), json=body)


def test_value_of_another_type_is_refused_with_its_name(service: Service) -> None:
    service.opened.identity.create_id()
    tried = set[str]()
    with serving(service, limits=UNLIMITED) as server, server.client("decide") as client:
        document = client.get(OPENAPI).json()
        for one, body, fields in bodies_in(document):
            for name, field in fields.items():
                kinds = {form.get("type", "any") for form in forms_of(field, document)} - {"null"}
                # A field of several types takes their values.
                for value in TYPES.get("".join(kinds), ()):
                    answer = sent(client, server, one, {**body, name: value})
                    words = (one.method, one.path, name, value, answer.status_code, answer.text)
                    assert answer.status_code == 422, words
                    assert f"body.{name}" in answer.json()["detail"], words
                    tried |= kinds
    assert tried >= set(TYPES)
    assert SpawnBody.model_validate({"words": "a", "max_cost_usd": 1}).max_cost_usd == 1.0


def test_long_text_is_no_fault_of_the_server(service: Service) -> None:
    service.opened.identity.create_id()
    with serving(service, limits=UNLIMITED) as server, server.client("decide") as client:
        document = client.get(OPENAPI).json()
        for one, body, fields in bodies_in(document):
            for name, field in fields.items():
                if field.get("type") != "string" or name in ("words", "goal", "description"):
                    continue
                for length in (200, 1000, 5000):
                    answer = sent(client, server, one, {**body, name: "a" * length})
                    assert answer.status_code < 500, (one.path, name, length, answer.text)
