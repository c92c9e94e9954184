"""Finds the toolchain of a project in its files: language, test command, needs of tests."""

import json
import re
import shlex
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.engine.stage.toolchain import installation_folder

FindProgram = Callable[[str], str]
"""Returns the path of a program on PATH, or an empty text."""

_SYSTEM = tuple(map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib64")))
_SYSTEM_PYTEST = ("/usr/lib/python3*/dist-packages", "/usr/local/lib/python3*/*-packages")
_PLAIN_TEST = re.compile(r"^(async )?def test_", re.MULTILINE)
_TEST_TARGET = re.compile(r"^test\s*:", re.MULTILINE)
_NO_TESTS = "no test specified"
"""A part of the test script that `npm init` writes."""


class Language(StrEnum):
    """The kind of a project; the first one found is the default."""

    PYTHON = "python"
    NODE = "node"
    GO = "go"
    RUST = "rust"
    MAKE = "make"
    SHELL = "shell"


@dataclass(frozen=True)
class Toolchain:
    """The toolchain of a project.

    An unknown test command is empty. `needed` are ignored folders that tests read, `ignored` are
    patterns for `.gitignore`, and `readable` are folders outside the system that programs need.
    `remedy` is a command that installs a missing part, `export` one that sets a variable.
    """

    language: Language
    test_command: str = ""
    needed: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    readable: tuple[Path, ...] = ()
    remedy: str = ""
    export: str = ""


def detect(folder: Path, find: FindProgram) -> Toolchain | None:
    """Return the toolchain of the first language that the files of a folder belong to."""
    language = next((one for one in Language if _is_used(one, folder)), None)
    return toolchain_of(language, folder, find) if language else None


def toolchain_of(language: Language, folder: Path, find: FindProgram) -> Toolchain:
    """Return the toolchain of a language in a folder."""
    match language:
        case Language.PYTHON:
            return _python(folder)
        case Language.NODE:
            needed = ("node_modules",) if (folder / "node_modules").is_dir() else ()
            readable = _outside_system(find("node"))
            return Toolchain(language, _node_tests(folder), needed, ("node_modules/",), readable)
        case Language.GO:
            return Toolchain(language, "go test ./...", readable=_outside_system(find("go")))
        case Language.RUST:
            return _rust(find("cargo"))
        case Language.MAKE:
            files = _found(folder, "Makefile", "makefile", "GNUmakefile")
            has_tests = any(_TEST_TARGET.search(_text(file)) for file in files)
            return Toolchain(language, "make test" if has_tests else "")
        case Language.SHELL:
            return Toolchain(language, _shell_tests(folder))


def _is_used(language: Language, folder: Path) -> bool:
    match language:
        case Language.PYTHON:
            names = ("pyproject.toml", "setup.py", "setup.cfg", "requirements*.txt")
            return _has(folder, *names, "*.py", "tests/*.py", "src/*/*.py")
        case Language.NODE:
            return _has(folder, "package.json", "*.js", "*.mjs", "*.cjs")
        case Language.GO:
            return _has(folder, "go.mod")
        case Language.RUST:
            return _has(folder, "Cargo.toml")
        case Language.MAKE:
            return _has(folder, "Makefile", "makefile", "GNUmakefile")
        case Language.SHELL:
            return _has(folder, "*.sh", "bin/*.sh", "tests/*.sh", "tests/*.bats")


def _python(folder: Path) -> Toolchain:
    environment = next(
        (one for one in (".venv", "venv", "env") if (folder / one / "pyvenv.cfg").is_file()), ""
    )
    python = f"{environment}/bin/python" if environment else "python3"
    source = "PYTHONPATH=src " if _has(folder, "src/*/*.py") else ""
    ignored = (f"{environment or '.venv'}/", "__pycache__/", ".pytest_cache/")
    needed = (environment,) if environment else ()
    readable = _base_of(folder / environment) if environment else ()
    if not _uses_pytest(folder):
        # By itself, unittest searches packages only.
        is_plain = _has(folder, "tests/test*.py") and not _has(folder, "tests/__init__.py")
        words = "discover -q -s tests" if is_plain else "-q"
        tests = f"{source}{python} -m unittest {words}"
        return Toolchain(Language.PYTHON, tests, needed, ignored, readable)
    tests = f"{source}{python} -m pytest -q"
    remedy = "" if _has_pytest(folder, environment) else _install_pytest(folder, environment)
    return Toolchain(Language.PYTHON, tests, needed, ignored, readable, remedy)


def _uses_pytest(folder: Path) -> bool:
    names = ("pyproject.toml", "setup.cfg", "tox.ini", "requirements*.txt")
    tests = ("test_*.py", "*_test.py", "tests/**/*.py")
    is_named = any("pytest" in _text(one) for one in _found(folder, *names, *tests))
    # unittest finds no plain functions.
    is_plain = any(_PLAIN_TEST.search(_text(one)) for one in _found(folder, *tests))
    return is_named or is_plain or _has(folder, "pytest.ini", "conftest.py", "tests/conftest.py")


def _has_pytest(folder: Path, environment: str) -> bool:
    if environment:
        return _has(folder / environment, "lib/python3*/site-packages/pytest")
    return any(_has(Path("/"), f"{one[1:]}/pytest") for one in _SYSTEM_PYTEST)


def _install_pytest(folder: Path, environment: str) -> str:
    is_uv = environment and "\nuv = " in _text(folder / environment / "pyvenv.cfg")
    pip = "uv pip install" if is_uv else f"{environment or '.venv'}/bin/python -m pip install"
    files = "".join(f" -r {one.name}" for one in _found(folder, "requirements*.txt"))
    make = "" if environment else "python3 -m venv .venv && "
    return f"{make}{pip} pytest{files}"


def _base_of(environment: Path) -> tuple[Path, ...]:
    """Return the installation of Python that a virtual environment refers to."""
    home = re.search(r"^home *= *(.+)$", _text(environment / "pyvenv.cfg"), re.MULTILINE)
    return _outside_system(str(Path(home[1].strip(), "python3"))) if home else ()


def _node_tests(folder: Path) -> str:
    try:
        script: object = json.loads(_text(folder / "package.json") or "{}")["scripts"]["test"]
    except (ValueError, KeyError, TypeError):
        script = ""
    return "npm test" if script and _NO_TESTS not in str(script) else "node --test"


def _rust(cargo: str) -> Toolchain:
    if not cargo or Path(cargo).resolve().name != "rustup":
        readable = _outside_system(cargo)
        return Toolchain(Language.RUST, "cargo test", ignored=("target/",), readable=readable)
    # Not the whole .cargo, which may contain a token. In a sandbox, HOME is another folder.
    programs = Path(cargo).parent
    return Toolchain(
        Language.RUST,
        "cargo test",
        ignored=("target/",),
        readable=(programs, programs.parent.parent / ".rustup"),
        export='export RUSTUP_HOME="$HOME/.rustup"',
    )


def _shell_tests(folder: Path) -> str:
    if _has(folder, "tests/*.bats"):
        return "bats tests"
    names = ("test.sh", "tests.sh", "run-tests.sh", "tests/test.sh", "tests/run.sh", "test/test.sh")
    found = next(iter(_found(folder, *names, "test_*.sh", "tests/test_*.sh")), None)
    if found is None:
        return ""
    program = "bash" if "bash" in _text(found).partition("\n")[0] else "sh"
    return f"{program} {shlex.quote(str(found.relative_to(folder)))}"


def _outside_system(program: str) -> tuple[Path, ...]:
    """Return the folder of an installation that is not in the system, such as one of nvm."""
    if not program:
        return ()
    file = Path(program).resolve()
    if any(file.is_relative_to(one) for one in _SYSTEM):
        return ()
    return (installation_folder(file),)


def _has(folder: Path, *patterns: str) -> bool:
    return any(True for _ in _found(folder, *patterns))


def _found(folder: Path, *patterns: str) -> Iterable[Path]:
    return (file for pattern in patterns for file in sorted(folder.glob(pattern)))


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
