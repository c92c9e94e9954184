"""A machine of somebody, where all but the workspaces lies where it lies by default."""

from pathlib import Path

import pytest

from tests.pipeline.commands import Machine, make_machine
from tests.pipeline.projects import LINEAR


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A home with a project that has a pipeline."""
    return make_machine(tmp_path, LINEAR, tmp_path)
