"""Finds the unit tests of a project, from which holdouts behind a wall are drafted."""

import ast
import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.scenarios.suite_files import is_ignored

_FOLDERS = ("tests", "test")
_FILES = ("test_*.py", "*_test.py")
_HELPERS = ("conftest.py", "pytest.ini")
_SOURCE = "src"
_TEST_FOLDERS = (*_FOLDERS, "__tests__")
_SOURCES = (_SOURCE, "lib")
_SCRIPTS = (".js", ".mjs", ".cjs")
_ENDS = ("", *_SCRIPTS, "/index.js")
_USES_NODE_TEST = re.compile(r"""\b(?:from|import|require)\b\s*\(?\s*["']node:test["']""")
_OWN = re.compile(r"""\b(?:from|import|require)\b\s*\(?\s*["'](\.{1,2}/[^"']+)["']""")


@dataclass(frozen=True)
class UnitTestFile:
    """A file of unit tests: the command that runs it, and the modules of the project it imports.

    `fixtures` are the files that it needs, with their own paths in the project.
    """

    path: str
    command: str
    fixtures: Sequence[str]
    modules: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict[str, str])


def find_unit_tests(language: str, folder: Path, test_command: str) -> Sequence[UnitTestFile]:
    """Return the files of unit tests of a project that a wall can guard."""
    return [*_FINDERS[language](folder, test_command)] if language in _FINDERS else []


def _python(folder: Path, test_command: str) -> Iterator[UnitTestFile]:
    """Yield the files in `tests` and beside the modules that import a module of the project."""
    named = [file for pattern in _FILES for file in folder.glob(pattern)]
    inside = [file for name in _FOLDERS for file in (folder / name).rglob("*") if file.is_file()]
    found = [*named, *inside, *(folder / name for name in _HELPERS if (folder / name).is_file())]
    paths = sorted({file.relative_to(folder).as_posix() for file in found})
    paths = [path for path in paths if not is_ignored(path)]
    roots = [folder, folder / _SOURCE]
    modules = {path: _imported(folder / path) for path in paths if path.endswith(".py")}
    own = {Path(path).stem for path in paths} | {*_FOLDERS}
    needed = sorted(
        name
        for name in set[str]().union(*modules.values()) - own
        if any((root / f"{name}.py").is_file() or any((root / name).glob("*.py")) for root in roots)
    )
    variables = {"PYTHONPATH": _SOURCE} if (folder / _SOURCE).is_dir() else {}
    python, _, runner = test_command.partition(" -m ")
    for path, names in modules.items():
        if any(Path(path).match(pattern) for pattern in _FILES) and names & {*needed}:
            run = f"{python.split()[-1]} -m {_runs(folder, Path(path), runner)}"
            yield UnitTestFile(path, run, paths, needed, variables)


def _runs(folder: Path, file: Path, runner: str) -> str:
    """Return the module and arguments that run a file."""
    if runner.startswith("pytest"):
        return f"pytest -q {file}"
    if file.parent == Path() or (folder / file.parent / "__init__.py").exists():
        return f"unittest -q {'.'.join(file.with_suffix('').parts)}"
    return f"unittest discover -q -s {file.parent} -p {file.name}"


def _javascript(folder: Path, _test_command: str) -> Iterator[UnitTestFile]:
    """Yield the files of tests of node:test that import a module of the project."""
    hidden = [file for name in _TEST_FOLDERS for file in (folder / name).rglob("*")]
    beside = [file for name in _SOURCES for file in (folder / name).rglob("*")]
    texts = {
        file: file.read_text("utf-8", "replace")
        for file in (*folder.glob("*"), *beside, *hidden)
        if file.suffix in _SCRIPTS and file.is_file()
    }
    tests = {file for file, text in texts.items() if _USES_NODE_TEST.search(text)}
    own = tests | {one for one in hidden if one.is_file() and not is_ignored(one.name)}
    modules = {file: {*_required(folder, file, texts[file])} - own for file in own & {*texts}}
    needed = sorted(_below(folder, {*()}.union(*modules.values())))
    package = folder / "package.json"
    if any(file.suffix == ".js" for file in tests) and package.is_file():
        own.add(package)  # it says whether they are ES modules
    fixtures = sorted(_below(folder, own))
    for path in sorted(_below(folder, (file for file in tests if modules[file]))):
        yield UnitTestFile(
            path, f"node --test {shlex.quote(path)}", fixtures, [f"./{one}" for one in needed]
        )


def _required(folder: Path, file: Path, text: str) -> Iterator[Path]:
    """Yield the files of JavaScript in a folder that a file there imports."""
    for name in _OWN.findall(text):
        path = os.path.normpath(file.parent / name)
        found = next((one for end in _ENDS if (one := Path(path + end)).is_file()), file)
        if found.suffix in _SCRIPTS and found.is_relative_to(folder):
            yield found


def _below(folder: Path, files: Iterable[Path]) -> Iterator[str]:
    return (file.relative_to(folder).as_posix() for file in files)


def _imported(file: Path) -> set[str]:
    """Return the first parts of the names of the modules that a file imports."""
    found: set[str] = set()
    # A file that cannot be read fails when it is played.
    with suppress(OSError, ValueError, SyntaxError, RecursionError):
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Import):
                found |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found


_FINDERS: Mapping[str, Callable[[Path, str], Iterator[UnitTestFile]]] = {
    "python": _python,
    "node": _javascript,
}
"""How unit tests are found, by language."""
