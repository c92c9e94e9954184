"""`attractor init`, as a program and in projects that have files already."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.factory.registration.first_suite import Example
from attractor.factory.resources.profiles import read_profile
from attractor.language.reading import parse
from attractor.projects.detection import Language, Toolchain
from attractor.projects.first_files import (
    PIPELINE_FILE,
    PROFILE_FILE,
    FirstProject,
    Repository,
    add_ignore_rules,
    first_files,
    next_steps,
)
from tests.cli.plain_desk import Desk
from tests.pipeline.projects import git

WISH = ("--wish", "Print it.", "--example", "sh a.sh 1 => 1", "--example", "sh a.sh 2 => 2")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path / "shop")
    desk.folder.mkdir()
    desk.write("exit 0\n", "test.sh")
    return desk


def test_second_init_changes_nothing(desk: Desk) -> None:
    first = desk.do("init", *WISH, "--json")
    assert first.returncode == 0, first.stderr
    record = json.loads(first.stdout)
    assert (record["language"], record["test_command"]) == ("shell", "sh test.sh")
    assert (record["ignored"], record["kept"], record["keys"]) == (["/runs/"], [], [])
    assert record["next"][0]["command"] == "git init --initial-branch main"
    git(desk.folder, "init", "--quiet", "--initial-branch", "next")
    git(desk.folder, "add", "--all")
    git(desk.folder, "commit", "--quiet", "--message", "Begin")
    again = json.loads(desk.do("init", "--language", "make", *WISH, "--json").stdout)
    assert (again["written"], again["ignored"]) == ([], [])
    assert again["kept"] == ["attractor.toml", "pipelines/feature.dot", "scenarios/shop"]
    commands = [one["command"] for one in again["next"]]
    assert commands[0] == "attractor validate pipelines/feature.dot"
    assert commands[-1] == "attractor promote --to next"
    assert git(desk.folder, "status", "--porcelain", "--", ".gitignore", "scenarios") == ""
    assert "The wish was not written: remove the existing files" in desk.do("init", *WISH).stdout
    lock = 'git add scenarios/shop/suite.lock.json && git commit -m "Seal the suite"'
    assert commands.index(lock) == commands.index("attractor suite register scenarios/shop") + 1
    desk.write("{}", "scenarios/shop/suite.lock.json")
    assert lock not in desk.do("init").stdout


@pytest.mark.parametrize(
    ("folder", "suite"), [("Grüße App", "grusse-app"), ("магазин", "app"), ("_a.b", "a-b")]
)
def test_suite_is_named_after_the_folder(tmp_path: Path, folder: str, suite: str) -> None:
    desk = Desk(tmp_path / folder)
    desk.folder.mkdir()
    assert desk.do("init", "--yes", "--test-command", "true").returncode == 0
    assert (desk.folder / "scenarios" / suite / "suite.toml").exists()


def test_project_inside_of_a_project_is_refused(desk: Desk) -> None:
    desk.write("", "attractor.toml")
    (desk.folder / "part").mkdir()
    refused = desk.do("init", "part", *WISH)
    assert refused.returncode == 2
    assert f"part is inside of the project {desk.folder} (type 'attractor init " in refused.stderr
    assert [*(desk.folder / "part").iterdir()] == []
    desk.write("", "part/attractor.toml")
    assert desk.do("init", "part", *WISH, "--test-command", "true").returncode == 0


def test_existing_files_are_kept_and_the_run_names_the_suite(desk: Desk) -> None:
    desk.write('[output]\ncolor = "never"\n', "attractor.toml")
    desk.write("runs\n*.log", ".gitignore")
    done = desk.do("init", *WISH, "--name", "first")
    assert done.returncode == 0, done.stderr
    assert "exists, unchanged: attractor.toml" in done.stdout.splitlines()
    assert "No key of a model provider is set." in done.stdout
    assert "carry_read_only" not in done.stdout
    assert "      attractor run pipelines/feature.dot --suite first" in done.stdout.splitlines()
    assert (desk.folder / "attractor.toml").read_text() == '[output]\ncolor = "never"\n'
    assert (desk.folder / ".gitignore").read_text() == "runs\n*.log"
    (desk.folder / "node_modules").mkdir()
    node = desk.do("init", "--language", "node", "--name", "second").stdout
    assert 'add carry_read_only = ["node_modules"] to [workspace] in attractor.toml.' in node


def test_line_ends_and_encoding_of_ignore_rules_are_kept(tmp_path: Path) -> None:
    file = tmp_path / ".gitignore"
    file.write_bytes(b"# f\xfcr alle\r\n/runs/\r\n")
    assert add_ignore_rules(tmp_path, ["/runs/", "target/"]) == ["target/"]
    assert file.read_bytes() == b"# f\xfcr alle\r\n/runs/\r\ntarget/\n"


def test_suite_to_edit_without_a_wish(desk: Desk) -> None:
    done = desk.do("init", "--yes")
    assert done.returncode == 0, done.stderr
    assert "First write your wish into pipelines/feature.dot" in done.stdout
    assert (desk.folder / "scenarios/shop/holdout/new-feature.scenario.toml").exists()
    assert desk.do("validate", "pipelines/feature.dot").stdout == "1 file, no problems found\n"


def test_commands_of_a_project_below_its_repository_start_in_its_folder(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "all" / "a shop")
    desk.folder.mkdir(parents=True)
    desk.write("all:\n\techo bye > made.txt\ntest: all\n", "Makefile")
    git(desk.folder.parent, "init", "--quiet", "--initial-branch", "main")
    examples = ("--example", "cat made.txt => bye", "--example", "cat made.txt | cat => bye")
    done = desk.do("init", "--wish", "Say bye", *examples)
    assert done.returncode == 0, done.stderr
    pipeline = (desk.folder / PIPELINE_FILE).read_text()
    assert """tool_command="cd 'a shop' && make test",""" in pipeline
    assert "For example, `cd 'a shop' && cat made.txt` prints: bye" in pipeline
    git(desk.folder, "add", "--all")
    git(desk.folder, "commit", "--quiet", "--message", "Begin")
    assert desk.do("suite", "init", "scenarios/later", *examples).returncode == 0
    assert desk.do("suite", "init", "scenarios/edited", "--pipeline", "feature").returncode == 0
    for suite in ("a-shop", "later"):
        tried = desk.do("suite", "try", f"scenarios/{suite}", "--operator", "--sandbox", "none")
        assert tried.returncode == 0, tried.stdout + tried.stderr
    edited = desk.folder / "scenarios/edited/holdout/new-feature.scenario.toml"
    written = tomllib.loads(edited.read_text())
    assert written["steps"][0]["cwd"] == "a shop"
    assert written["checks"][1]["path"] == "a shop/result.txt"


def test_first_and_later_suites_build_the_program(desk: Desk) -> None:
    desk.write("total: total.c\n\tcc -o total total.c\ntest: total\n", "Makefile")
    done = desk.do("init", "--yes", *WISH)
    assert "the program is built by: make ([setup] in scenarios/shop/suite.toml)" in done.stdout
    for suite, words in {"shop": (), "edited": (), "next": WISH[2:]}.items():
        if suite != "shop":
            assert desk.do("suite", "init", f"scenarios/{suite}", *words).returncode == 0
        written = tomllib.loads((desk.folder / f"scenarios/{suite}/suite.toml").read_text())
        assert written["setup"] == {"run": ["make"]}


def test_maven_reads_its_downloads(desk: Desk) -> None:
    desk.write("<project/>", "pom.xml")
    assert desk.do("init", "--yes", *WISH).returncode == 0
    settings = tomllib.loads((desk.folder / "attractor.toml").read_text())
    assert settings["caches"] == {"read": ["maven"]}
    assert desk.do("validate", "pipelines/feature.dot").returncode == 0


@pytest.mark.parametrize(
    ("files", "words", "message"),
    [
        ({"test.sh": None}, (), "no known language in . (pass --language or --test-command)"),
        ({"test.sh": None, "a.sh": ""}, (), "no test command found (pass --test-command)"),
        ({"test_a.py": "import pytest"}, (), "then type 'attractor init' again"),
        ({}, ("--example", "a => b"), "missing hidden example"),
        ({}, ("--example", "a => b", "--example", "a  =>  b"), "the examples are equal (give two"),
        ({}, ("--example", "a =>"), "invalid example 'a =>' (write 'COMMAND => OUTPUT'"),
        ({}, ("--name", "../x"), "invalid name of a suite: '../x' (use lower-case letters"),
        ({}, ("missing",), "'missing' does not exist"),
    ],
)
def test_missing_facts_are_errors_before_anything_is_written(
    desk: Desk, files: dict[str, str | None], words: tuple[str, ...], message: str
) -> None:
    for name, text in files.items():
        if text is None:
            (desk.folder / name).unlink()
        else:
            desk.write(text, name)
    before = sorted(desk.folder.rglob("*"))
    done = desk.do("init", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert [one for one in sorted(desk.folder.rglob("*")) if "workspaces" not in one.name] == before


PROJECT = FirstProject("shop", Toolchain(Language.SHELL, "sh test.sh"), "/home/ann")


@pytest.mark.parametrize(
    "text", ['Print "it" as a\\new', "Print $HOME and ${HOME}", "Drück {{ it }}", "a\nb"]
)
def test_any_text_is_quoted(desk: Desk, text: str) -> None:
    toolchain = Toolchain(Language.SHELL, f"echo '{text}'", ("a b",), readable=(Path("/opt/a"),))
    examples = (Example(text, text), Example("b", "c"))
    project = replace(PROJECT, wish=text, toolchain=toolchain, examples=examples, provider="openai")
    files = first_files(project)
    settings = tomllib.loads(files["attractor.toml"])
    assert settings["workspace"]["carry_read_only"] == ["a b"]
    assert settings["factory"] == {"suite": "shop", "profile": "local"}
    assert settings["llm"] == {"provider": "openai"}
    goal = parse(files[PIPELINE_FILE]).attributes.text("goal")
    assert goal == f"{text} For example, `{text}` prints: {text}"
    (desk.folder / "pipelines").mkdir()
    desk.write(files[PIPELINE_FILE], PIPELINE_FILE)
    checked = desk.do("validate", PIPELINE_FILE)
    assert checked.stdout == "1 file, no problems found\n"


def test_machine_without_a_sandbox_gets_a_profile_and_a_token(tmp_path: Path) -> None:
    toolchain = replace(PROJECT.toolchain, readable=(Path("/home/ann/.nvm/v22"), Path("/opt/go")))
    project = replace(PROJECT, is_sandboxed=False, toolchain=toolchain)
    file = tmp_path / "local.toml"
    file.write_text(first_files(project)[PROFILE_FILE])
    profile = read_profile(file)
    assert profile.sandbox.read == ("~/.nvm/v22", "/opt/go")
    assert profile.allows("isolation_unverified")
    steps = [one.command for one in next_steps(project, Repository(True, True), is_named=True)]
    assert steps[0].startswith("git add .gitignore attractor.toml pipelines/feature.dot scenarios/")
    assert steps[2] == "attractor profile create profiles/local.toml"
    run = steps.index("attractor run pipelines/feature.dot")
    assert steps.index('export ATTRACTOR_TOKEN="$(attractor token create me)"') > run
