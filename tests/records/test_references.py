"""A command in a hint names the run that the hint is about."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import attractor
from attractor.records.lookup import reference_of, restart_reference

RUN_ID = "01JZ0000000000000000000000"
TEMPLATE = re.compile(r"attractor [a-z]+ RUN\b")


def message_texts(file: Path) -> Iterator[str]:
    """Yield the texts of a module, except docstrings and help texts."""
    tree = ast.parse(file.read_text())
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    explained = {
        ast.get_docstring(one, clean=False) for one in ast.walk(tree) if isinstance(one, holders)
    }
    for one in ast.walk(tree):
        text = one.value if isinstance(one, ast.Constant) else None
        if isinstance(text, str) and text not in explained:
            yield text


def test_run_is_named_by_its_id_or_its_directory() -> None:
    runs = Path("/my runs")
    assert reference_of(runs / RUN_ID, runs) == RUN_ID
    for root in (runs / "one", runs / RUN_ID):
        assert reference_of(root, Path("/runs")) == f"'{root}'"
    assert reference_of(runs / "one", runs) == "'/my runs/one'"
    assert restart_reference(runs / RUN_ID, "NEW", RUN_ID) == "NEW"
    assert restart_reference(runs / RUN_ID, "NEW", f"'{runs / RUN_ID}'") == "'/my runs/NEW'"


def test_every_hint_names_its_run() -> None:
    package = Path(attractor.__file__).parent
    found = [
        f"{file.relative_to(package)}: {text}"
        for file in package.rglob("*.py")
        # A hint for a mistyped command is about no run.
        if "RUN" in (file.read_text()) and file != package / "cli" / "synonyms.py"
        for text in message_texts(file)
        if TEMPLATE.search(text)
    ]
    assert found == []
