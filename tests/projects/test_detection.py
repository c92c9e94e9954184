"""Detection of the toolchain of a project by its files."""

from pathlib import Path

from attractor.projects.detection import Language, Toolchain, detect, toolchain_of
from attractor.projects.first_files import FirstProject, Repository, next_steps
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
        ({"total.mjs": ""}, "node", "node --test"),
        ({"go.mod": "module total\n", "Makefile": "test:\n"}, "go", "go test ./..."),
        ({"Cargo.toml": ""}, "rust", "cargo test"),
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


def test_rustup_is_readable_without_the_token_of_cargo(tmp_path: Path) -> None:
    programs = tmp_path / ".cargo" / "bin"
    programs.mkdir(parents=True)
    (programs / "rustup").touch()
    (programs / "cargo").symlink_to("rustup")
    toolchain = found(tmp_path / "shop", {"Cargo.toml": ""}, cargo=str(programs / "cargo"))
    assert toolchain
    assert toolchain.readable == (programs, tmp_path / ".rustup")
    project = FirstProject("shop", toolchain, str(tmp_path))
    steps = [one.command for one in next_steps(project, Repository(), is_named=True)]
    assert 'export RUSTUP_HOME="$HOME/.rustup"' in steps
