"""Every backend is of its kind and says what it is."""

import asyncio
import inspect
import subprocess
import sys

import pytest

from attractor.backends.parts import BackendParts
from attractor.backends.registry import backend_registry
from attractor.base.registry import find_shortcoming
from attractor.engine.interfaces import Backend

NAMES = list(backend_registry())


def test_simulate_is_there() -> None:
    assert "simulate" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_backend_is_built_from_parts_and_says_what_it_is(name: str) -> None:
    kind = backend_registry()[name]
    assert find_shortcoming(kind(BackendParts()), Backend) == ""
    assert inspect.getdoc(kind)
    assert inspect.getdoc(kind.run)
    assert inspect.getdoc(kind.steer)
    assert backend_registry().summary(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_backend_without_a_stage_in_flight_takes_no_words(name: str) -> None:
    backend = backend_registry()[name](BackendParts())
    assert asyncio.run(backend.steer("plan", "hurry")) is False


def test_simulate_needs_no_model_client() -> None:
    code = "import sys, attractor.backends.simulate; sys.exit('attractor.llm' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], timeout=30, check=False)
    assert result.returncode == 0
