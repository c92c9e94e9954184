"""A twin with the script of this folder, and the client for two wires."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.twins.clients.script import SCRIPT


@pytest.fixture(scope="package")
def twin() -> Iterator[ProviderTwin]:
    with in_background(ProviderTwin(parse_script(SCRIPT))) as twin:
        yield twin


@pytest.fixture(scope="package")
def openai() -> Any:
    return importlib.import_module("openai")
