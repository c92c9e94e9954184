from pathlib import Path

import pytest

from tests.copies import copies


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all these tests, so that runs can be copied; a test that patches has its own.

    A copy would not show what a test has patched.
    """
    if "monkeypatch" in request.fixturenames:
        return tmp_path_factory.mktemp("patched")
    return copies().empty_folder()
