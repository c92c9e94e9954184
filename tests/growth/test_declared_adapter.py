"""Adapters that a specification declares: the rules, and attacks by paths, schemas and names."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from attractor.growth.apps.routes import operations_of, service_operations
from attractor.growth.declared_adapter import MOST_CHARACTERS, MOST_OPERATIONS, read_adapter
from attractor.growth.errors import InvalidMorph, InvalidSpec
from attractor.growth.http_client import HttpClient, ServiceFailed
from attractor.growth.morph import Risk, apply_morphs, read_morph
from attractor.growth.plans.hand_edits import morphs_of_edits
from attractor.growth.specification.document import read_document
from attractor.growth.specification.document_writer import document_of, write_document
from tests.tables import table

PLACE = {"type": "object", "required": ["place"], "properties": {"place": {"type": "string"}}}
ALERT = {
    "type": "object",
    "required": ["place", "alert"],
    "properties": {
        "place": {"type": "string"},
        "alert": {
            "type": "object",
            "required": ["level"],
            "properties": {"level": {"type": "integer"}, "words": {"type": "array"}},
            "additionalProperties": False,
        },
    },
}
WEATHER = f"""
identity: {{purpose: Know the weather}}
evidence_policy:
  sources:
    - Almanac
    - name: Weather
      operations:
        - name: Forecast
          method: GET
          path: /v1/places/{{place}}/forecast
          input: '{json.dumps(PLACE)}'
          output: '{{"type": "object", "properties": {{"celsius": {{"type": "number"}}}}}}'
        - {{name: Warn all, method: POST, path: "/v1/places/{{place}}/alerts",
           input: '{json.dumps(ALERT)}'}}
data_contracts: {{entities: [{{name: Day, fields: [celsius]}}]}}
workflows:
  pipelines:
    - name: Daily
      steps:
        - {{name: Look, reads: [Weather], writes: [Day]}}
        - {{name: Warn, reads: [Day], writes: [Weather]}}
"""
SPEC = read_document(WEATHER)
GET: Mapping[str, Any] = {"method": "GET", "path": "/forecast"}


def test_source_with_operations_is_a_service_and_comes_back_from_its_document() -> None:
    assert operations_of(SPEC, SPEC["look"]) == {"weather": ("forecast",)}
    assert operations_of(SPEC, SPEC["warn"]) == {"weather": ("warn_all",)}
    forecast = service_operations(SPEC, "weather")["forecast"]
    assert forecast.place == "GET /v1/places/{place}/forecast"
    assert forecast.input_schema == {**PLACE, "additionalProperties": False}
    assert service_operations(SPEC, "almanac") == service_operations(SPEC, "look") == {}
    again = read_document(write_document(SPEC))
    assert again.spec_hash == SPEC.spec_hash
    assert document_of(SPEC)["evidence_policy"]["sources"][0] == "Almanac"


PATHS = [
    "forecast",
    "//evil.example/x",
    "/a//b",
    "/a/../b",
    "/..",
    "/a/./b",
    "/%2e%2e/b",
    "https://evil.example/x",
    "/a?x=1",
    "/a#b",
    "/a\\b",
    "/a@evil.example",
    "/a b",
    "/a\r\nHost: evil.example",
    "/{place}{other}",
    "/{place!r}",
    "/{0}",
    "/{}",
    "/{place",
    "/a/",
    "/",
    "",
]


@table("path", PATHS)
def test_path_that_leaves_the_url_of_the_settings_is_refused(path: str) -> None:
    with pytest.raises(InvalidSpec, match=r"weather.get: invalid path"):
        read_adapter("weather", {"weather.get": {**GET, "path": path}})


@table("name", ["calendar", "mail", "http_client", "__init__", "attractor_server", "2nd", "a.b"])
def test_name_that_hides_another_adapter_or_setting_is_refused(name: str) -> None:
    with pytest.raises(InvalidSpec, match=f"{name}: "):
        read_adapter(name, {f"{name}.get": GET})


def nested(levels: int) -> Mapping[str, Any]:
    """Return a schema of lists of lists."""
    return {"type": "array", "items": nested(levels - 1)} if levels else {"type": "string"}


def members(**schemas: Any) -> str:
    """Return a schema of an object."""
    return json.dumps({"type": "object", "properties": schemas})


SCHEMAS = {
    "no JSON": ("{", "input: "),
    "a deep text": ("[" * 30_000, "input: "),
    "no object": ("[]", "not a JSON Schema"),
    "no type": ("{}", "not a JSON Schema"),
    "an unknown type": ('{"type": "any"}', "not a JSON Schema"),
    "several types": ('{"type": ["object"]}', "not a JSON Schema"),
    "a text": ('{"type": "string"}', "input: not an object"),
    "a reference to elsewhere": (members(x={"$ref": "http://evil.example"}), "x: not a JSON"),
    "a slow pattern": (members(x={"type": "string", "pattern": "(a+)+$"}), "keyword 'pattern'"),
    "an unchecked keyword": (members(x={"type": "number", "maximum": 3}), "keyword 'maximum'"),
    "members that are no object": ('{"type": "object", "properties": []}', "invalid properties"),
    "a missing member": ('{"type": "object", "required": ["x"]}', "invalid member 'x'"),
    "a member with a brace": (members(**{"{{ x }}": {"type": "string"}}), "invalid member"),
    "a negative length": (members(x={"type": "string", "minLength": -1}), "invalid minLength"),
    "a hidden character": (members(x={"type": "string", "description": "a\u200bb"}), "invisible"),
    "many levels": (members(x=nested(20)), "nested too deeply"),
    "a number in a query": (members(x={"type": "integer"}), "'x' is in the query of a GET"),
}


@table("case", SCHEMAS)
def test_schema_that_the_client_cannot_check_is_refused(case: str) -> None:
    schema, fault = SCHEMAS[case]
    with pytest.raises(InvalidSpec, match=fault):
        read_adapter("weather", {"weather.get": {**GET, "input": schema}})


def test_path_members_are_required_texts_and_requests_are_distinct() -> None:
    for given in (members(place={"type": "string"}), members()):
        with pytest.raises(InvalidSpec, match="the path needs 'place' once"):
            read_adapter("w", {"w.get": {**GET, "path": "/{place}", "input": given}})
    with pytest.raises(InvalidSpec, match="invalid method 'CONNECT'"):
        read_adapter("w", {"w.get": {**GET, "method": "CONNECT"}})
    other = {"method": "GET", "path": "/{place}", "input": json.dumps(PLACE)}
    with pytest.raises(InvalidSpec, match=r"w.two: answers the same requests as w.one"):
        read_adapter("w", {"w.one": GET, "w.two": other})
    assert read_adapter("w", {"w.one": GET, "w.two": {**other, "method": "DELETE"}})
    with pytest.raises(InvalidSpec, match="invalid id of an operation"):
        read_adapter("w", {"other.get": GET})


def test_many_and_long_operations_are_refused() -> None:
    many = {f"w.get{number}": {**GET, "path": f"/{number}"} for number in range(21)}
    with pytest.raises(InvalidSpec, match=f"21 operations; the limit is {MOST_OPERATIONS}"):
        read_adapter("w", many)
    long = {**GET, "output": json.dumps({"type": "string", "description": "x" * MOST_CHARACTERS})}
    with pytest.raises(InvalidSpec, match="characters; the limit is"):
        read_adapter("w", {"w.get": long})
    with pytest.raises(InvalidSpec, match="weather has two operations 'Forecast'"):
        read_document(WEATHER.replace("Warn all", "Forecast"))


def test_nested_input_is_checked_before_its_request() -> None:
    client = HttpClient("http://127.0.0.1:9", "t", service_operations(SPEC, "weather"))
    alerts: Sequence[tuple[Mapping[str, Any], str]] = (
        ({"level": 3, "words": []}, "no answer"),
        ({"level": "high"}, "invalid alert"),
        ({}, "invalid alert"),
        ({"level": 3, "url": "x"}, "invalid alert"),
    )
    for alert, fault in alerts:
        with pytest.raises(ServiceFailed, match=fault):
            client.call("warn_all", {"place": "north", "alert": alert})
    with pytest.raises(ServiceFailed, match="unknown url"):
        client.call("forecast", {"place": "north", "url": "http://evil.example"})


def test_morph_adds_the_adapter_that_an_edit_by_hand_declares() -> None:
    plain = SPEC.replace(removed=SPEC["weather"].contained)
    fields = [dict(one.fields) for one in SPEC.children("weather")]
    morph = read_morph({"type": "add_adapter", "name": "Weather", "operations": fields})
    assert morph.risk is Risk.HIGH
    assert morph.in_words() == (
        "Uses a new service on the web: “Weather”, and tells it something: Warn all."
    )
    grown = apply_morphs(plain, [morph])
    assert service_operations(grown, "weather") == service_operations(SPEC, "weather")
    bare = plain.replace(removed=["weather"])
    for before in (plain, bare):
        found = morphs_of_edits(before, apply_morphs(before, [morph]))
        assert (found.proposal.morphs, found.without_morph) == ((morph,), ())
    with pytest.raises(InvalidMorph, match="'weather' exists"):
        apply_morphs(grown, [morph])
    for name, path in (("Calendar", "/x"), ("Weather", "//evil.example")):
        operations = [{"name": "x", "method": "GET", "path": path}]
        wrong = read_morph({"type": "add_adapter", "name": name, "operations": operations})
        with pytest.raises(InvalidSpec):
            apply_morphs(bare, [wrong])
