"""Detection of the toolchain of a project by its files."""

from pathlib import Path

import pytest

from attractor.factory.resources.profiles import read_profile
from attractor.projects.detection import Language, Toolchain, detect, toolchain_of
from attractor.projects.first_files import PROFILE_FILE, FirstProject, first_files
from tests.tables import table

NVM = "/home/ann/.nvm/versions/node/v22"
VENV = {".venv/pyvenv.cfg": "home = /usr/bin\n"}
PYTEST = {**VENV, ".venv/lib/python3.12/site-packages/pytest/__init__.py": ""}
NPM_INIT = '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'


def found(folder: Path, files: dict[str, str], **programs: str) -> Toolchain | None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return detect(folder, lambda name: programs.get(name, ""))


@table(
    ("files", "language", "tests"),
    [
        ({"app.py": "", **VENV}, "python", ".venv/bin/python -m unittest -q"),
        ({"app.py": ""}, "python", "python3 -m unittest -q"),
        ({"tests/test_app.py": ""}, "python", "python3 -m unittest discover -q -s tests"),
        ({"tests/test_a.py": "", "tests/__init__.py": ""}, "python", "python3 -m unittest -q"),
        ({"pytest.ini": "", "a.py": "", **PYTEST}, "python", ".venv/bin/python -m pytest -q"),
        (
            {"test_a.py": "def test_a():\n    assert True\n", **PYTEST},
            "python",
            ".venv/bin/python -m pytest -q",
        ),
        (
            {"pyproject.toml": "[tool.pytest.ini_options]", "src/app/a.py": "", **PYTEST},
            "python",
            "PYTHONPATH=src .venv/bin/python -m pytest -q",
        ),
        ({"package.json": '{"scripts": {"test": "mocha"}}'}, "node", "npm test"),
        ({"package.json": NPM_INIT}, "node", "node --test"),
        ({"package.json": "invalid"}, "node", "node --test"),
        ({"package.json": "[" * 100_000}, "node", "node --test"),
        ({"total.mjs": ""}, "node", "node --test"),
        ({"go.mod": "module total\n", "Makefile": "test:\n"}, "go", "go test ./..."),
        ({"Cargo.toml": ""}, "rust", "cargo test"),
        ({"pom.xml": "", "Makefile": "test:\n"}, "java", "mvn -q -o test"),
        ({"build.gradle.kts": "", "gradlew": ""}, "java", "./gradlew -q --offline test"),
        ({"Makefile": "all:\n\ntest: all\n"}, "make", "make test"),
        ({"Makefile": "all:\n"}, "make", ""),
        ({"total.sh": "", "test.sh": ""}, "shell", "sh test.sh"),
        ({"tests/test_total.sh": "#!/usr/bin/env bash\n"}, "shell", "bash tests/test_total.sh"),
        ({"test_my total.sh": ""}, "shell", "sh 'test_my total.sh'"),
        ({"tests/total.bats": ""}, "shell", "bats tests"),
        ({"total.sh": ""}, "shell", ""),
    ],
)
def test_language_and_test_command(
    tmp_path: Path, files: dict[str, str], language: str, tests: str
) -> None:
    toolchain = found(tmp_path, files)
    assert toolchain
    assert (toolchain.language, toolchain.test_command) == (language, tests)
    assert not toolchain.remedy
    again = toolchain_of(Language(language), tmp_path, lambda name: "")
    assert again == toolchain


@table(
    ("files", "build", "ignored"),
    [
        ({"Makefile": "CC := cc\n.PHONY: all\nall: total\ntest: all\n"}, ["make"], []),
        ({"Makefile": "test:\n\tsh test.sh\n"}, [], []),
        ({"go.mod": "module a.b/total/v2\n", "a.go": "package main"}, ["go build"], ["/total"]),
        (
            {"go.mod": "module total", "cmd/sum/a.go": "package main", "a.go": "package total"},
            ["go build -o . ./cmd/..."],
            ["/sum"],
        ),
        ({"go.mod": "module total", "a.go": "package total"}, ["go build ./..."], []),
        ({"Cargo.toml": ""}, ["cargo build --quiet"], ["target/"]),
        ({"pom.xml": ""}, ["mvn -q -o -DskipTests package"], ["target/"]),
        ({"settings.gradle": ""}, ["gradle -q --offline assemble"], ["build/", ".gradle/"]),
        ({"package.json": '{"scripts": {"build": "tsc"}}'}, ["npm run build"], ["node_modules/"]),
        ({"package.json": '{"scripts": []}'}, [], ["node_modules/"]),
    ],
)
def test_build_commands_and_what_they_leave(
    tmp_path: Path, files: dict[str, str], build: list[str], ignored: list[str]
) -> None:
    toolchain = found(tmp_path, files)
    assert toolchain
    assert ([*toolchain.build], [*toolchain.ignored]) == (build, ignored)


def test_commands_of_a_folder_below_its_repository_find_carried_folders(tmp_path: Path) -> None:
    toolchain = found(tmp_path, {"app.py": "", **VENV})
    assert toolchain
    command = "cd a/b && ../../.venv/bin/python -m unittest -q"
    assert toolchain.below("a/b/").test_command == command
    assert toolchain.below("") == toolchain


def test_unknown_files_belong_to_no_language(tmp_path: Path) -> None:
    assert found(tmp_path, {"readme.txt": "python, make and node"}) is None


@table(
    ("files", "remedy"),
    [
        (
            {"requirements.txt": "pytest\n"},
            "python3 -m venv .venv && .venv/bin/python -m pip install pytest -r requirements.txt",
        ),
        (VENV, ".venv/bin/python -m pip install pytest"),
        ({".venv/pyvenv.cfg": "home = /usr/bin\nuv = 0.5\n"}, "uv pip install pytest"),
    ],
)
def test_missing_pytest_has_a_remedy(tmp_path: Path, files: dict[str, str], remedy: str) -> None:
    toolchain = found(tmp_path, {"test_app.py": "import pytest\n", **files})
    assert toolchain
    assert toolchain.remedy == remedy


@table(
    ("files", "needed", "readable"),
    [
        ({"a.py": "", "venv/pyvenv.cfg": "home = /usr/bin\n"}, "venv", ""),
        ({"a.py": "", ".venv/pyvenv.cfg": "home = /home/ann/py/bin\n"}, ".venv", "/home/ann/py"),
        ({"package.json": "", "node_modules/left/a.js": ""}, "node_modules", NVM),
    ],
)
def test_folders_that_tests_need(
    tmp_path: Path, files: dict[str, str], needed: str, readable: str
) -> None:
    toolchain = found(tmp_path, files, node=f"{NVM}/bin/node")
    assert toolchain
    assert toolchain.needed == (needed,)
    assert f"{needed}/" in toolchain.ignored
    assert [str(one) for one in toolchain.readable] == ([readable] if readable else [])


@table(
    ("program", "readable"),
    [
        ("/usr/local/bin/node", []),
        ("/home/ann/node-22/bin/node", ["/home/ann/node-22"]),
        ("/home/ann/.local/bin/node", ["/home/ann/.local/bin"]),
        ("/opt/tools/node", ["/opt/tools"]),
    ],
)
def test_only_the_installation_of_a_program_is_readable(
    tmp_path: Path, program: str, readable: list[str]
) -> None:
    toolchain = found(tmp_path, {"package.json": "{}"}, node=program)
    assert toolchain
    assert [str(one) for one in toolchain.readable] == readable


def test_linked_program_is_readable_where_path_finds_it(tmp_path: Path) -> None:
    for name in ("go-1.22/bin/go", ".local/bin/other"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    (tmp_path / "go").symlink_to("go-1.22")
    (tmp_path / ".local/bin/go").symlink_to("../../go-1.22/bin/go")
    for program, linked in {".local/bin/go": ".local/bin", "go/bin/go": "go"}.items():
        toolchain = found(tmp_path / "shop", {"go.mod": ""}, go=str(tmp_path / program))
        assert toolchain
        assert toolchain.readable == (tmp_path / linked, tmp_path / "go-1.22")


@pytest.mark.skipif(not Path("/usr/share/maven/conf").is_symlink(), reason="no Maven of Debian")
def test_configuration_of_debian_is_readable(tmp_path: Path) -> None:
    toolchain = found(tmp_path, {"pom.xml": ""}, mvn="/usr/share/maven/bin/mvn")
    assert toolchain
    assert toolchain.readable == (Path("/etc/maven"),)


def test_profile_shows_rustup_without_the_token_of_cargo(tmp_path: Path) -> None:
    programs = tmp_path / ".cargo" / "bin"
    programs.mkdir(parents=True)
    (programs / "rustup").touch()
    (programs / "cargo").symlink_to("rustup")
    toolchain = found(tmp_path / "shop", {"Cargo.toml": ""}, cargo=str(programs / "cargo"))
    assert toolchain
    assert toolchain.readable == (programs, tmp_path / ".rustup")
    file = tmp_path / "local.toml"
    file.write_text(first_files(FirstProject("shop", toolchain, str(tmp_path)))[PROFILE_FILE])
    sandbox = read_profile(file).sandbox
    assert sandbox.read == ("~/.cargo/bin", "~/.rustup")
    assert sandbox.env == {"RUSTUP_HOME": "~/.rustup"}
