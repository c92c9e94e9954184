"""The pytest fixture `service_twin`, for tests of clients of a service.

Load it with `pytest -p attractor.twins.services.pytest_plugin`, or with
`from attractor.twins.services.pytest_plugin import service_twin` in a `conftest.py`.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from attractor.twins.server.hosting import in_background
from attractor.twins.services.service import load_service, parse_service
from attractor.twins.services.service_twin import ServiceTwin

__all__ = ["StartServiceTwin", "service_twin"]


class StartServiceTwin(Protocol):
    """Starts a twin of a service in a test."""

    def __call__(self, service: Path | str, /) -> ServiceTwin:
        """Start a twin from a path or from TOML."""
        ...


@pytest.fixture
def service_twin(tmp_path: Path) -> Iterator[StartServiceTwin]:
    """Start a twin of a service from a path or from TOML; the twin stops after the test."""
    with ExitStack() as stack:

        def start(service: Path | str) -> ServiceTwin:
            if isinstance(service, Path):
                loaded = load_service(service)
            else:
                loaded = parse_service(service, folder=tmp_path)
            return stack.enter_context(in_background(ServiceTwin(loaded)))

        yield start
