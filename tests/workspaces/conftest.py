from pathlib import Path

import pytest

from tests.workspaces.projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.made(tmp_path)
