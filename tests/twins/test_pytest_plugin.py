"""The fixture works in anybody's tests, as its documentation says."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples import fences

(EXAMPLE,) = [one.text for one in fences("python") if one.page.name == "twin-scripts.md"]
BY_OPTION = EXAMPLE.replace(', provider_twin\n\n__all__ = ["provider_twin"]', "")


@pytest.mark.parametrize(
    ("code", "options"),
    [(EXAMPLE, []), (BY_OPTION, ["-p", "attractor.twins.pytest_plugin"])],
    ids=["imported", "by option"],
)
def test_the_example_passes(code: str, options: list[str], tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", *options, "test_mine.py"]
    result = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert "1 passed" in result.stdout, result.stdout + result.stderr
