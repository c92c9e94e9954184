"""Pipelines of the gallery run by name, and are listed, shown and copied."""

import json
from pathlib import Path

from attractor import __version__
from attractor.pipeline.source.gallery import GALLERY, find_in_gallery
from tests.cli.git_desk import UNGUARDED, GitDesk, desk, document
from tests.cli.running import attractor
from tests.tables import table

__all__ = ["desk"]

MAKEFILE = "test:\n\t@true\n"
READY = {"Makefile": MAKEFILE}


def test_gallery_is_listed_and_shown(tmp_path: Path) -> None:
    lines = attractor("gallery", "list", folder=tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in lines] == [f"gallery:{name}" for name in GALLERY]
    listed = json.loads(attractor("gallery", "list", "--json", folder=tmp_path).stdout)
    assert {one["version"] for one in listed} == {__version__}
    text = find_in_gallery("review").read_text()
    assert attractor("gallery", "show", "review", folder=tmp_path).stdout == text
    shown = json.loads(attractor("gallery", "show", "gallery:review", "--json").stdout)
    assert (shown["text"], shown["purpose"]) == (text, listed[-1]["purpose"])


def test_copy_is_a_file_of_the_project_and_overwrites_nothing(desk: GitDesk) -> None:
    desk.make("digraph {}", **READY)
    copied = desk.json("gallery", "copy", "feature")
    assert copied["copy"] == "pipelines/feature.dot"
    assert copied["next"].endswith("--goal ... --input 'test=make test'")
    copy = desk.project / copied["copy"]
    copy.write_text("mine")
    refused = desk.do("gallery", "copy", "feature")
    assert (refused.returncode, copy.read_text()) == (4, "mine")
    assert "pipelines/feature.dot already exists (name another file:" in refused.stderr
    assert desk.do("gallery", "copy", "feature", "own.dot").returncode == 0
    assert (desk.project / "own.dot").read_text() == find_in_gallery("feature").read_text()
    assert desk.do("gallery", "copy", "feature", "readme.txt/own.dot").returncode == 3


COMMANDS = {
    "run": ("--backend", "simulate"),
    "validate": (),
    "render": ("--format", "dot"),
    "simulate": (),
    "estimate": (),
    "doctor": (),
}


@table(("command", "options"), COMMANDS.items())
def test_wrong_name_has_its_close_match(
    command: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    refused = attractor(command, "gallery:bugfix", *options, folder=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr == (
        "error: unknown pipeline of the gallery 'bugfix' (did you mean bug_fix?)\n"
    )


@table("words", ["validate", "render --format dot", "simulate", "estimate --backend simulate"])
def test_name_is_taken_in_place_of_a_file(words: str, tmp_path: Path) -> None:
    ended = attractor(*words.split(), "gallery:review", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr


def test_several_drawings_are_not_written_into_the_package(tmp_path: Path) -> None:
    drawn = attractor("render", "gallery:review", "gallery:feature", folder=tmp_path)
    assert (drawn.returncode, drawn.stdout.splitlines()[-1]) == (0, "2 drawn, none failed")
    assert {file.name for file in tmp_path.glob("*.svg")} == {"review.svg", "feature.svg"}


VERDICTS = {
    "feature": {},
    "plan_implement_review": {"judge_plan": "success", "review": "success"},
    "refactor": {"review": "success"},
}
"""The verdicts of simulated reviewers; the gates of the others see that no agent wrote a file."""


def test_gallery_runs_by_name_in_any_project(desk: GitDesk) -> None:
    desk.make("digraph {}", **READY)
    for name in GALLERY:
        desk.write(json.dumps(VERDICTS.get(name, {})), "verdicts.json")
        words = ("--goal", "Sort the list", "--outcomes", "verdicts.json", *UNGUARDED)
        done = desk.json("run", f"gallery:{name}", *words)
        assert (name, done["outcome"]) == (name, "success" if name in VERDICTS else "fail")
        manifest = document(Path(done["directory"]) / "manifest.json")
        assert (manifest["pipeline"], manifest["goal"]) == (name, "Sort the list")
        assert manifest["options"]["gallery"] == f"{name}@{__version__}"
        assert manifest["options"]["inputs"].get("test", "make test") == "make test"


def test_file_of_the_gallery_is_a_file_if_it_is_not_named(desk: GitDesk) -> None:
    desk.make("digraph {}")
    file = str(find_in_gallery("feature"))
    refused = desk.do("run", file, *UNGUARDED, "--preflight")
    assert "no test command found" not in refused.stderr
    done = desk.json("run", file, *UNGUARDED, "--input", "test=true")
    options = document(Path(done["directory"]) / "manifest.json")["options"]
    assert (options["file"], options["gallery"]) == (file, "")


def test_run_by_name_has_the_test_command_of_the_project(desk: GitDesk) -> None:
    desk.make("digraph {}")
    feature = ("run", "gallery:feature", *UNGUARDED)
    refused = desk.do(*feature)
    assert refused.returncode == 2
    assert f"no test command found in {desk.project} (pass the command" in refused.stderr
    assert desk.do(*feature, "--input", "test=true").returncode == 0
    (desk.project / ".venv").mkdir()
    (desk.project / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (desk.project / "total.py").write_text("print()\n")
    lacking = desk.do(*feature)
    assert lacking.returncode == 2
    assert "the tests need .venv, which the workspace of a run does not have" in lacking.stderr
    assert '(add carry_read_only = [".venv"] to [workspace] in attractor.toml' in lacking.stderr
    (desk.project / "attractor.toml").write_text('[workspace]\ncarry_read_only = [".venv"]\n')
    checked = desk.do("run", "gallery:feature", *UNGUARDED, "--preflight")
    assert "Tests: .venv/bin/python -m unittest -q (another command:" in checked.stderr
