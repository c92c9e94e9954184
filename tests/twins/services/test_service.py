"""Several services are read at once, and served side by side."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from attractor.twins.services.errors import ServiceError
from attractor.twins.services.service import load_services
from tests.examples import fences
from tests.twins.services.asking import fixed

PYTHON = [one.text for one in fences("python") if one.page.name == "service-twins.md"]
TRIAL = next(one for one in PYTHON if "load_services" in one)
FIXTURE = next(one for one in PYTHON if "def test_" in one)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("notes", "mail"):
        (tmp_path / name).mkdir()
        declared = f'name = "{name}"\nenviron.{name.upper()}_URL = "{{{{ url }}}}"\n'
        (tmp_path / name / "twin.toml").write_text(declared + fixed("1"))
    return tmp_path


def test_a_folder_of_services_is_read(folder: Path) -> None:
    assert [one.name for one in load_services([folder])] == ["mail", "notes"]
    assert [one.name for one in load_services([folder / "notes", folder / "mail/twin.toml"])] == [
        *("notes", "mail"),
    ]


def test_duplicate_names_and_variables_are_rejected(folder: Path) -> None:
    with pytest.raises(ServiceError, match="duplicate service 'mail'"):
        load_services([folder, folder / "mail"])
    other = folder / "mail" / "twin.toml"
    other.write_text(other.read_text().replace("MAIL_URL", "NOTES_URL"))
    with pytest.raises(ServiceError, match="duplicate variable 'NOTES_URL'"):
        load_services([folder])


def test_the_example_starts_and_stops_twins(folder: Path) -> None:
    names: dict[str, Any] = {}
    exec(TRIAL, names)
    asked = asyncio.run(names["trial"](folder))
    assert asked == {"mail": [], "notes": ["GET /x"]}


def test_the_example_of_the_fixture_passes(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(FIXTURE)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "test_mine.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in result.stdout, result.stdout + result.stderr
