"""Adapters and skills that the toolsmith copies into an app."""

from collections.abc import Collection, Mapping
from pathlib import Path

from attractor.growth.adapter import adapters
from attractor.growth.skill import skills

FOLDER = "tools"
_ROOM = Path(__file__).parents[1]
_CLIENT = "http_client"


def names_of_tools() -> Collection[str]:
    """Return the names of all adapters and skills."""
    return [*adapters(), *skills()]


def vendored(names: Collection[str]) -> Mapping[str, str]:
    """Return the files of tools for an app, which needs nothing of Attractor."""
    files: dict[str, str] = {}
    for name in sorted(names):
        folder = "adapters" if name in adapters() else "skills"
        text = (_ROOM / folder / f"{name}.py").read_text("utf-8")
        files[f"{FOLDER}/{name}.py"] = text.replace("from attractor.growth.", f"from {FOLDER}.")
        if folder == "adapters":
            files[f"{FOLDER}/{_CLIENT}.py"] = (_ROOM / f"{_CLIENT}.py").read_text("utf-8")
    return {f"{FOLDER}/__init__.py": '"""Adapters and skills of this app."""\n', **files}
