"""Sandboxes whose check runs once for all tests."""

from pathlib import Path

import pytest

from attractor.snippets.execution import SnippetSandboxes
from tests.snippets.sandboxes import make_sandboxes


@pytest.fixture(scope="session")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the operator, with a project and keys."""
    return tmp_path_factory.mktemp("operator")


@pytest.fixture(scope="session")
def sandboxes(sandbox_allowed: None, operator: Path) -> SnippetSandboxes:
    """The sandboxes of the operator's project."""
    return make_sandboxes(operator)
