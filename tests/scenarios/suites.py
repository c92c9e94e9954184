"""Writes suites into folders for tests."""

from collections.abc import Mapping
from pathlib import Path

SUITE = """
name = "todo"
pipeline = "linear"
"""
SCENARIO = """
id = "{id}"
title = "Adding"
story = "{story}"

[[steps]]
name = "add"
run = "echo milk"

[[checks]]
kind = "exit"
step = "add"
"""


def write_suite(folder: Path, *, suite: str = SUITE, **holdouts: str) -> Path:
    """Write a suite with the given held-out scenarios (default: one)."""
    (folder / "holdout").mkdir(parents=True, exist_ok=True)
    (folder / "suite.toml").write_text(suite)
    for name, text in (
        holdouts or {"adding": SCENARIO.format(id="adding", story="Ann adds.")}
    ).items():
        (folder / "holdout" / f"{name}.scenario.toml").write_text(text)
    return folder


TWIN = """
name = "todo-api"
[environ]
TODO_API_URL = "{{ url }}"
[[state.tasks]]
id = 1
title = "feed the cat"
[[routes]]
path = "/tasks"
kind = "list"
collection = "tasks"
[[routes]]
method = "POST"
path = "/tasks"
kind = "create"
collection = "tasks"
"""
WITH_TWIN = SUITE + '[[twins]]\nname = "todo-api"\n'


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files below a folder; a script is executable."""
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755 if text.startswith("#!") else 0o644)
    return folder
