"""Adapters: small HTTP clients of services, with a schema for each operation.

Each adapter is one file in `adapters/`, a table of operations. They were shown to work with the
service twins in `scenarios/_twins/` only, never with a real service.
"""

from collections.abc import Mapping
from functools import cache

from attractor.base.json import Json, JsonObject
from attractor.base.registry import Registry
from attractor.growth.http_client import HttpClient, Operation
from attractor.growth.skill import require


@cache
def adapters() -> Registry[dict[str, Operation]]:
    """Return the operations of all adapters by name."""
    return Registry("attractor.growth.adapters", dict, noun="adapter")  # pyright: ignore


def call_adapter(name: str, operation: str, given: JsonObject, *, url: str, token: str) -> Json:
    """Call an operation of a service, and check input and output against its schemas."""
    operations: Mapping[str, Operation] = adapters()[name]
    schemas = operations[operation]
    require(f"input of {name}.{operation}", dict(given), schemas.input_schema)
    answer: Json = HttpClient(url, token, operations).call(operation, given)
    require(f"output of {name}.{operation}", answer, schemas.output_schema)
    return answer
