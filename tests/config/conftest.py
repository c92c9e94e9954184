from pathlib import Path

import pytest

from tests.config.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project", tmp_path / "home", tmp_path / "elsewhere")
    for folder in (project.root, project.home, project.cwd):
        folder.mkdir()
    return project
