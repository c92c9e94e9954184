"""Checks the imports and statements of the package against the table of floors."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "docs" / "explanation" / "the-house.md"
PACKAGE = "attractor"
MAY_IMPORT_LATE = (
    "attractor.cli.",
    "attractor.base.registry",
    "attractor.llm.providers.litellm",
)
SEARCHES_PATTERNS = "attractor.base.patterns"
READS_THE_TIME = "attractor.base.clock"
OUTSIDE_WORLD = {
    "os.environ",
    "os.getenv",
    "time.time",
    "time.time_ns",
    "datetime.now",
    "datetime.today",
    "datetime.utcnow",
    "date.today",
}
READINGS = {name.rpartition(".")[2] for name in OUTSIDE_WORLD}
DECLARES_DATA = "attractor.base.dataclasses"
LONGEST_FUNCTION = 60


@dataclass(frozen=True)
class Room:
    """One row of the table."""

    name: str
    floor: int
    needs: tuple[str, ...]


SubpackageFloors = dict[str, dict[str, int]]
"""The floors of the direct sub-packages and modules of each large room."""


@dataclass(frozen=True)
class Module:
    """One file of the package, parsed."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def imports(self) -> list["Import"]:
        return list(_imports_among(self.nodes))

    @cached_property
    def foreign_names(self) -> set[str]:
        """The names that the module imports from other rooms."""
        return {
            name.split(".")[0]
            for one in self.imports
            if one.target.startswith(PACKAGE) and rooms_named(one) != [self.room]
            for name in (one.names or (one.target,))
        }


@dataclass(frozen=True)
class Import:
    """One import of another module, and the names from it."""

    target: str
    names: tuple[str, ...]
    line: int
    level: int


def read_table(page: Path = HOUSE) -> dict[str, Room]:
    row = r"^\| (\d+) \| \[?`(\w+)`(?:\]\(\S+\))? \|[^|]*\|([^|]*)\|$"
    rows = re.findall(row, page.read_text("utf-8"), re.M)
    return {
        name: Room(name, int(floor), tuple(filter(None, re.split(r"[,\s]+", needs))))
        for floor, name, needs in rows
    }


def read_subpackages(page: Path = HOUSE) -> SubpackageFloors:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (\d+) \|$", page.read_text("utf-8"), re.M)
    floors: SubpackageFloors = {}
    for room, name, floor in rows:
        floors.setdefault(room, {})[name] = int(floor)
    return floors


def read_modules(root: Path = ROOT) -> list[Module]:
    files = sorted((root / PACKAGE).rglob("*.py"))
    return [Module(_module_name(file, root), file.read_text("utf-8")) for file in files]


def _module_name(file: Path, root: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_imports(tree: ast.AST) -> Iterator[Import]:
    return _imports_among(ast.walk(tree))


def _imports_among(nodes: Iterable[ast.AST]) -> Iterator[Import]:
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), node.lineno, 0)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import(node.module or "", names, node.lineno, node.level)


def upward_needs(table: dict[str, Room]) -> list[str]:
    """List rooms that need a room on the same or a higher floor, by the last column."""
    return [
        f"{room.name} needs {need}"
        for room in table.values()
        for need in room.needs
        if need not in table or table[need].floor >= room.floor
    ]


def upward_imports(module: Module, table: dict[str, Room]) -> list[str]:
    if module.room not in table:
        return (
            [] if module.name in {PACKAGE, f"{PACKAGE}.__main__"} else [f"{module.name}: no room"]
        )
    floor = table[module.room].floor
    return [
        f"{module.name}:{found.line} imports {target}"
        for found in module.imports
        for target in rooms_named(found)
        if target != module.room and (target not in table or table[target].floor >= floor)
    ]


def upward_imports_inside(module: Module, floors: SubpackageFloors) -> list[str]:
    """List imports of sub-packages of the same room that are not on a lower floor."""
    parts = module.name.split(".")
    inside = floors.get(module.room)
    if inside is None or len(parts) < 3:
        return []
    if parts[2] not in inside:
        return [f"{module.name}: no row for {module.room}.{parts[2]} in {HOUSE.name}"]
    return [
        f"{module.name}:{found.line} imports {module.room}.{target}"
        for found in module.imports
        for target in _subpackages_named(found, module.room)
        if target != parts[2] and (target not in inside or inside[target] >= inside[parts[2]])
    ]


def _subpackages_named(found: Import, room: str) -> Iterable[str]:
    package, first, *rest = (*found.target.split("."), "")
    if (package, first) != (PACKAGE, room):
        return ()
    return (rest[0],) if rest[0] else found.names


def rooms_named(found: Import) -> list[str]:
    parts = found.target.split(".")
    if parts[0] != PACKAGE:
        return []
    if len(parts) > 1:
        return [parts[1]]
    return [name for name in found.names if not name.startswith("__")]


def relative_imports(module: Module) -> list[str]:
    return [f"{module.name}:{one.line}" for one in module.imports if one.level]


def late_imports(module: Module) -> list[str]:
    """List imports inside functions without a comment above them that gives the reason."""
    if f"{module.name}.".startswith(MAY_IMPORT_LATE) or module.name in MAY_IMPORT_LATE:
        return []
    importing = (node for node in module.nodes if isinstance(node, ast.Import | ast.ImportFrom))
    if set(importing) <= set(module.tree.body):
        return []
    lines = module.text.splitlines()
    return [
        f"{module.name}:{one.line} imports {one.target} inside a function without a reason"
        for function in module.nodes
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for one in read_imports(function)
        if not _has_reason(lines, one.line)
    ]


def _has_reason(lines: list[str], line: int) -> bool:
    """Return whether a comment is above the import, or above its block of imports."""
    above = line - 2
    while above >= 0 and re.match(r"\s*(from|import) ", lines[above]):
        above -= 1
    return above >= 0 and lines[above].lstrip().startswith("#")


def private_reaches(module: Module) -> list[str]:
    """List uses of private names of other rooms."""
    found = [
        f"{module.name}:{one.line} reaches for {one.target} {name}"
        for one in module.imports
        if one.target.startswith(f"{PACKAGE}.") and one.target.split(".")[1] != module.room
        for name in [*one.target.split("."), *one.names]
        if _is_private(name)
    ]
    return found + [
        f"{module.name}:{node.lineno} reaches for {ast.unparse(node)}"
        for node in module.nodes
        if isinstance(node, ast.Attribute) and _is_private(node.attr) and _is_foreign(node, module)
    ]


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def _is_foreign(node: ast.Attribute, module: Module) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in module.foreign_names


def statements_that_run(module: Module) -> list[str]:
    """List statements of a module other than definitions, assignments and imports."""
    definitions = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    values = (ast.Assign, ast.AnnAssign)
    return [
        f"{module.name}:{node.lineno} {ast.unparse(node).splitlines()[0]}"
        for node in module.tree.body
        if not isinstance(node, definitions + values)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        and not _is_guard(node)
    ]


def _is_guard(node: ast.stmt) -> bool:
    guards = {"TYPE_CHECKING", "__name__ == '__main__'"}
    return isinstance(node, ast.If) and ast.unparse(node.test) in guards


def outside_readings(module: Module, table: dict[str, Room]) -> list[str]:
    """List reads of the environment or the time below the composition root."""
    room = table.get(module.room)
    if room is None or room.floor >= table["pipeline"].floor or module.name == READS_THE_TIME:
        return []
    named = [
        f"{module.name}:{one.line} reads {one.target}.{name}"
        for one in module.imports
        for name in one.names
        if f"{one.target}.{name}" in OUTSIDE_WORLD
    ]
    return named + [
        f"{module.name}:{node.lineno} reads {ast.unparse(node)}"
        for node in module.nodes
        if isinstance(node, ast.Attribute) and node.attr in READINGS
        if ast.unparse(node) in OUTSIDE_WORLD
    ]


def foreign_imports(module: Module) -> list[str]:
    """List imports of the ground floor other than the standard library, and RE2 in one module."""
    if module.room != "base":
        return []
    known = sys.stdlib_module_names | {PACKAGE}
    if module.name == SEARCHES_PATTERNS:
        known |= {"re2"}
    return [
        f"{module.name}:{one.line} imports {one.target}"
        for one in module.imports
        if one.target.split(".")[0] not in known
    ]


def compiled_data(module: Module) -> list[str]:
    """List uses of the standard decorator, which compiles unused methods at every start."""
    return [
        f"{module.name}:{one.line} imports dataclasses.dataclass, not {DECLARES_DATA}"
        for one in module.imports
        if one.target == "dataclasses" and "dataclass" in one.names and module.name != DECLARES_DATA
    ]


def oversized(module: Module) -> list[str]:
    """List functions over sixty lines, which do more than one thing."""
    return [
        f"{module.name}:{node.lineno} {node.name} has {length} lines"
        for node in module.nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]
