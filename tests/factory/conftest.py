from pathlib import Path

import pytest

from tests.copies import copies


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A common folder for all these tests, so that runs can be copied.

    A test that patches has a folder of its own, because a copied run would not use the patch.
    """
    if "monkeypatch" in request.fixturenames:
        return tmp_path_factory.mktemp("patched")
    return copies().empty_folder()
