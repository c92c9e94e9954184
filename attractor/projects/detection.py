"""Finds the toolchain of a project in its files: language, build and test commands, needs."""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from enum import StrEnum
from pathlib import Path
from typing import cast

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.engine.stage.toolchain import installation_folder

FindProgram = Callable[[str], str]
"""Returns the path of a program on PATH, or an empty text."""

_SYSTEM = tuple(map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib64")))
_SYSTEM_PYTEST = ("/usr/lib/python3*/dist-packages", "/usr/local/lib/python3*/*-packages")
_MAKEFILES = ("Makefile", "makefile", "GNUmakefile")
_GRADLE = ("build.gradle*", "settings.gradle*")
_PLAIN_TEST = late_pattern(r"^(async )?def test_", re.MULTILINE)
_TEST_TARGET = late_pattern(r"^test\s*:", re.MULTILINE)
_FIRST_TARGET = late_pattern(r"^([^\s.#:=][^\s:=]*+)[^\n:=]*+:(?![:=])", re.MULTILINE)
_GO_MODULE = late_pattern(r"^module\s+\"?(?:\S*?/)??([^\s/\"]+?)(?:/v[0-9]+)?\"?\s*$", re.MULTILINE)
_GO_PROGRAM = late_pattern(r"^package\s+main\b", re.MULTILINE)
_NO_TESTS = "no test specified"
"""A part of the test script that `npm init` writes."""


class Language(StrEnum):
    """The kind of a project; the first one found is the default."""

    PYTHON = "python"
    NODE = "node"
    GO = "go"
    RUST = "rust"
    JAVA = "java"
    MAKE = "make"
    SHELL = "shell"


@dataclass(frozen=True)
class Toolchain:
    """The toolchain of a project.

    An unknown test command is empty. `needed` are ignored folders that tests read, `ignored` are
    patterns for `.gitignore`, `readable` are folders outside the system that programs need, and
    `variables` name some of them. `remedy` is a command that installs a missing part. The commands
    of `build` build the program. `downloads` are package managers whose downloads they need.
    """

    language: Language
    test_command: str = ""
    needed: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    readable: tuple[Path, ...] = ()
    variables: Mapping[str, Path] = field(default_factory=dict[str, Path])
    remedy: str = ""
    build: tuple[str, ...] = ()
    downloads: tuple[str, ...] = ()

    def below(self, prefix: str) -> "Toolchain":
        """Return the toolchain with commands that start at the top of the repository.

        `prefix` is the path of the project in the repository, with a slash at the end.
        """
        test, *build = (self._enter(prefix, one) for one in (self.test_command, *self.build))
        return replace(self, test_command=test, build=tuple(build))

    def _enter(self, prefix: str, command: str) -> str:
        # Carried folders are at the top of a workspace.
        for name in self.needed:
            up = "../" * prefix.count("/")
            command = re.sub(rf"(?<![\w./-]){re.escape(name)}/", f"{up}{name}/", command)
        return enter_folder(prefix, command)


def enter_folder(prefix: str, command: str) -> str:
    """Return a command that starts in a folder below the current one; "" is the current one."""
    return f"cd {shlex.quote(prefix.rstrip('/'))} && {command}" if prefix else command


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
            return _node(folder, _outside_system(find("node")))
        case Language.GO:
            return _go(folder, _outside_system(find("go")))
        case Language.RUST:
            return _rust(folder, find("cargo"))
        case Language.JAVA:
            return _java(folder, find)
        case Language.MAKE:
            return _make(folder)
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
        case Language.JAVA:
            return _has(folder, "pom.xml", *_GRADLE)
        case Language.MAKE:
            return _has(folder, *_MAKEFILES)
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
    return Toolchain(Language.PYTHON, tests, needed, ignored, readable, remedy=remedy)


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


def _node(folder: Path, readable: tuple[Path, ...]) -> Toolchain:
    try:
        scripts: object = json.loads(_text(folder / "package.json") or "{}")["scripts"]
    except (ValueError, KeyError, TypeError, RecursionError):
        scripts = None
    known = cast("dict[str, object]", scripts) if isinstance(scripts, dict) else {}
    test = known.get("test")
    return Toolchain(
        Language.NODE,
        "npm test" if test and _NO_TESTS not in str(test) else "node --test",
        build=("npm run build",) if known.get("build") else (),
        needed=("node_modules",) if (folder / "node_modules").is_dir() else (),
        ignored=("node_modules/",),
        readable=readable,
    )


def _go(folder: Path, readable: tuple[Path, ...]) -> Toolchain:
    """Return commands that leave the programs in the folder itself.

    `go build ./...` leaves none if there are several packages: it shows that a library compiles.
    """
    module = _GO_MODULE.search(_text(folder / "go.mod"))
    is_program = any(_GO_PROGRAM.search(_text(file)) for file in _found(folder, "*.go"))
    programs = [*dict.fromkeys(file.parent.name for file in _found(folder, "cmd/*/*.go"))]
    build = ["go build"] if is_program else []
    build += ["go build -o . ./cmd/..."] if programs else []
    build = build or ["go build ./..."]
    left = [*([module[1]] if module and is_program else []), *programs]
    return Toolchain(
        Language.GO,
        "go test ./...",
        build=tuple(build) if (folder / "go.mod").exists() else (),
        ignored=tuple(f"/{name}" for name in left if not (folder / name).is_dir()),
        readable=readable,
    )


def _rust(folder: Path, cargo: str) -> Toolchain:
    build = ("cargo build --quiet",) if (folder / "Cargo.toml").exists() else ()
    readable, variables = _outside_system(cargo), dict[str, Path]()
    if readable and Path(cargo).resolve().name == "rustup":
        # Not the whole .cargo, which may contain a token. In a sandbox, HOME is another folder.
        programs = Path(cargo).parent
        variables = {"RUSTUP_HOME": programs.parent.parent / ".rustup"}
        readable = (programs, *variables.values())
    return Toolchain(
        Language.RUST,
        "cargo test",
        build=build,
        ignored=("target/",),
        readable=readable,
        variables=variables,
    )


def _java(folder: Path, find: FindProgram) -> Toolchain:
    """Return commands that use no network: sandboxes have none."""
    is_gradle = _has(folder, *_GRADLE) and not _has(folder, "pom.xml")
    programs = [find(name) for name in ("java", "gradle" if is_gradle else "mvn")]
    places = (place for one in programs for place in (*_outside_system(one), *_configured(one)))
    readable = tuple(dict.fromkeys(places))
    if is_gradle:
        gradle = "./gradlew" if (folder / "gradlew").exists() else "gradle"
        return Toolchain(
            Language.JAVA,
            f"{gradle} -q --offline test",
            build=(f"{gradle} -q --offline assemble",),
            ignored=("build/", ".gradle/"),
            readable=readable,
        )
    return Toolchain(
        Language.JAVA,
        "mvn -q -o test",
        # The suite judges the program, not its tests.
        build=("mvn -q -o -DskipTests package",) if _has(folder, "pom.xml") else (),
        ignored=("target/",),
        readable=readable,
        # They contain even the plugins that compile.
        downloads=("maven",),
    )


def _make(folder: Path) -> Toolchain:
    text = "\n".join(map(_text, _found(folder, *_MAKEFILES)))
    first = _FIRST_TARGET.search(text)
    is_test = first is not None and first[1] == "test"
    return Toolchain(
        Language.MAKE,
        "make test" if _TEST_TARGET.search(text) else "",
        build=("make",) if text and not is_test else (),
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
    """Return the folders of an installation that is not in the system, such as one of nvm.

    They include the folder on PATH that contains a link to the program.
    """
    if not program:
        return ()
    files = (Path(program), Path(program).resolve())
    outside = [one for one in files if not any(one.is_relative_to(part) for part in _SYSTEM)]
    return tuple(dict.fromkeys(map(installation_folder, outside)))


def _configured(program: str) -> Iterable[Path]:
    """Yield the folders in /etc to which an installation of Debian links."""
    folder = installation_folder(Path(program).resolve())
    for link in (folder / "conf", *_found(folder, "conf/*")):
        if program and link.is_symlink() and (file := link.resolve()).is_relative_to("/etc"):
            yield file if file.is_dir() else file.parent


def _has(folder: Path, *patterns: str) -> bool:
    return any(True for _ in _found(folder, *patterns))


def _found(folder: Path, *patterns: str) -> Iterable[Path]:
    return (file for pattern in patterns for file in sorted(folder.glob(pattern)))


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:
        return ""
