"""Ruling R10: handlers and backends write only through `stage.files`."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.examples import ROOT
from tests.tables import table

FORBIDDEN_MODULES = {"attractor.base.files", "io", "os", "shutil", "tempfile"}
FORBIDDEN_NAMES = {"logs_root", "mkdir", "open", "touch", "unlink", "write_bytes", "write_text"}
# Written to the state folder, never to a run directory.
OF_THE_STATE_FOLDER = {"accounts.py"}
FILES = [
    file
    for room in ("handlers", "backends")
    for file in (ROOT / "attractor" / room).glob("*.py")
    if file.name not in OF_THE_STATE_FOLDER
]


def faults(text: str) -> Iterator[str]:
    """Yield the statements of a module that could write without `stage.files`."""
    for part in ast.walk(ast.parse(text)):
        names = {alias.name for alias in part.names} if isinstance(part, ast.Import) else set[str]()
        if isinstance(part, ast.ImportFrom):
            names.add(part.module or "")
        yield from names & FORBIDDEN_MODULES
        if isinstance(part, ast.Attribute | ast.Name):
            yield from {part.attr if isinstance(part, ast.Attribute) else part.id} & FORBIDDEN_NAMES


@table("file", FILES)
def test_R10_no_handler_or_backend_writes_by_itself(file: Path) -> None:
    assert list(faults(file.read_text("utf-8"))) == []


@table(
    ("text", "fault"),
    [
        ("from pathlib import Path\nPath('x').write_text('y')", "write_text"),
        ("import json, os", "os"),
        ("def f(stage): return stage.logs_root", "logs_root"),
        ("def f(): open('x', 'w')", "open"),
    ],
)
def test_R10_writes_are_detected(text: str, fault: str) -> None:
    assert list(faults(text)) == [fault]
