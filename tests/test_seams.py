"""Every seam is in the table of seams, and has the contract test that the table names."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.examples import ROOT
from tests.tables import table

PAGE = ROOT / "docs" / "explanation" / "seams.md"
NAME = re.compile(r"`(\w+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)]+)\)")
CLASS = re.compile(r"^ *class (\w+)", re.MULTILINE)
COLUMNS = 6


@dataclass(frozen=True)
class Row:
    """One row of the table: seam, file, purpose, real implementation, stand-in, contract."""

    cells: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        return NAME.findall(self.cells[0])

    @property
    def file(self) -> Path:
        return linked(self.cells[1])

    @property
    def is_seam(self) -> bool:
        return len(self.cells) == COLUMNS


def linked(cell: str) -> Path:
    [target] = LINK.findall(cell)
    return (PAGE.parent / target).resolve()


def rows(text: str) -> Iterator[Row]:
    for line in text.splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if line.startswith("| `"):
            yield Row(cells)


def is_protocol(part: ast.AST) -> bool:
    """Return whether a class is declared as a protocol."""
    if not isinstance(part, ast.ClassDef):
        return False
    bases = [base.value if isinstance(base, ast.Subscript) else base for base in part.bases]
    return any(ast.unparse(base).rpartition(".")[2] == "Protocol" for base in bases)


def protocols(file: Path) -> list[tuple[str, Path]]:
    text = file.read_text("utf-8")
    tree = ast.parse(text if "Protocol" in text else "")
    return [
        (part.name, file)
        for part in ast.walk(tree)
        if isinstance(part, ast.ClassDef) and is_protocol(part)
    ]


def classes() -> set[str]:
    """Return the name of every class of the package and of its tests."""
    files = [*(ROOT / "attractor").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    return {name for file in files for name in CLASS.findall(file.read_text("utf-8"))}


ROWS = list(rows(PAGE.read_text("utf-8")))
SEAMS = [row for row in ROWS if row.is_seam]


def test_every_protocol_of_the_package_is_in_a_table_with_its_file() -> None:
    there = [one for file in (ROOT / "attractor").rglob("*.py") for one in protocols(file)]
    found = [(name, row.file) for row in ROWS for name in row.names]
    assert sorted(found) == sorted(there)


@table("row", SEAMS)
def test_protocol_has_a_contract_test_or_one_implementation(row: Row) -> None:
    *_, stand_in, contract = row.cells
    file = linked(contract)
    assert file.is_file()
    assert "def test_" in file.read_text("utf-8")
    assert row.names[0].removeprefix("Built") in file.read_text("utf-8")
    assert "contract" in file.name or stand_in == "one only"


def test_names_of_the_table_exist() -> None:
    named = {name for row in SEAMS for cell in row.cells[3:5] for name in NAME.findall(cell)}
    assert named - classes() == set()


def test_every_contract_is_in_the_table() -> None:
    there = set((ROOT / "tests").rglob("test_contract*.py"))
    # This file tests the wire protocols of providers, and is not the contract of a seam.
    there -= {ROOT / "tests" / "llm" / "providers" / "test_contract.py"}
    found = {linked(row.cells[-1]) for row in SEAMS}
    assert there <= found


@table(
    "text",
    [
        "class A(Protocol): ...",
        "class A(Other, typing.Protocol): ...",
        "class A(Protocol[T]): ...",
        "def f():\n    class A(Protocol): ...",
    ],
)
def test_every_spelling_of_a_protocol_is_detected(text: str, tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text(text)
    assert protocols(file) == [("A", file)]
    file.write_text(text.replace("Protocol", "Protocols"))
    assert protocols(file) == []
