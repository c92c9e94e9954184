"""A machine of somebody, where everything lies where it lies by default."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.commands import Machine, make_machine
from tests.pipeline.projects import LINEAR


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A home with a project that has a pipeline."""
    made = make_machine(tmp_path, LINEAR)
    yield made
    made.remove_workspaces()
