"""Writes small packages and distributions for tests of imports and entry points."""

import importlib
import sys
from itertools import count
from pathlib import Path

import pytest

_NUMBERS = count()


class Places:
    """A folder on the import path that a test fills."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def package(self, **files: str) -> str:
        """Write a package of an unused name and return that name."""
        name = f"made_for_a_test_{next(_NUMBERS)}"
        self.add(name, __init__="", **files)
        return name

    def add(self, package: str, **files: str) -> None:
        """Write more files into a package."""
        place = self.folder / package
        place.mkdir(exist_ok=True)
        for stem, text in files.items():
            (place / f"{stem}.py").write_text(text)
        importlib.invalidate_caches()

    def distribution(self, name: str, entry_points: str) -> Path:
        """Write the files that an installer leaves of a distribution with entry points."""
        place = self.folder / f"{name}-1.0.dist-info"
        place.mkdir()
        (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (place / "entry_points.txt").write_text(entry_points)
        return place


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    importlib.invalidate_caches()
    return Places(tmp_path)
