"""Writes suites into folders for tests."""

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
    """Write a suite with one held-out scenario, or with the ones given."""
    (folder / "holdout").mkdir(parents=True, exist_ok=True)
    (folder / "suite.toml").write_text(suite)
    for name, text in (
        holdouts or {"adding": SCENARIO.format(id="adding", story="Ann adds.")}
    ).items():
        (folder / "holdout" / f"{name}.scenario.toml").write_text(text)
    return folder
