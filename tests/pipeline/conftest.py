"""A machine with the default folders except for the workspaces, and a parent run."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.pipeline.commands import Machine, make_machine
from tests.pipeline.families import Family, family
from tests.pipeline.projects import LINEAR


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A home with a project that has a pipeline."""
    return make_machine(tmp_path, LINEAR, tmp_path)


@pytest.fixture
def parent(tmp_path: Path) -> Generator[Family]:
    """A run that may start children."""
    with family(tmp_path) as made:
        yield made
