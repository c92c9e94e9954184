"""`attractor render` of several pipelines: one file for each, and a failure stops no other."""

from pathlib import Path

import pytest

from tests.cli.running import attractor
from tests.cli.test_render import run_gated
from tests.language.pipelines import BRANCH, SMOKE
from tests.needs import needs_graphviz

BROKEN = "digraph G { a -- b }"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.dot").write_text(BRANCH)
    (inside / "b.gv").write_text(SMOKE)
    (tmp_path / "c.dot").write_text(BRANCH)
    (tmp_path / "bad.dot").write_text(BROKEN)
    return tmp_path


@needs_graphviz
def test_each_pipeline_is_drawn_beside_its_file_or_into_a_folder(folder: Path) -> None:
    result = attractor("render", "inside/a.dot", "inside/b.gv", "c.dot", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "drawn: inside/a.svg",
        "drawn: inside/b.svg",
        "drawn: c.svg",
        "3 drawn, none failed",
    ]
    drawn = [folder / "inside" / "a.svg", folder / "inside" / "b.svg", folder / "c.svg"]
    assert all(one.read_text().startswith("<svg") for one in drawn)
    result = attractor("render", "inside", "--format", "png", folder=folder)
    assert result.stdout.splitlines()[-1] == "2 drawn, none failed"
    assert (folder / "inside" / "b.png").read_bytes().startswith(b"\x89PNG")
    result = attractor("render", "c.dot", "./c.dot", ".", folder=folder)
    assert result.stdout.splitlines()[-1] == "3 drawn, 1 failed"


@pytest.mark.parametrize("name", ["out", "out/"])
def test_output_folder_is_created(folder: Path, name: str) -> None:
    words = ["inside/a.dot", "c.dot", "--format", "mermaid"]
    assert attractor("render", *words, "-o", name, folder=folder).returncode == 0
    assert sorted(one.name for one in (folder / "out").iterdir()) == ["a.mmd", "c.mmd"]


def test_failed_drawing_does_not_stop_the_others(folder: Path) -> None:
    words = ["bad.dot", "missing.dot", "nothing", "c.dot"]
    result = attractor("render", *words, "-o", "out", folder=folder)
    assert result.returncode == 2
    assert result.stdout.splitlines() == ["drawn: out/c.svg", "1 drawn, 3 failed"]
    assert "bad.dot:1:15: error[syntax]: invalid edge '--'" in result.stderr
    assert "cannot read missing.dot" in result.stderr
    assert "nothing is neither a file nor a run" in result.stderr
    assert (folder / "out" / "c.svg").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["c.dot", "inside/a.dot", "-o", "x.svg"], "cannot write several drawings to x.svg"),
        (
            ["c.dot", "inside/a.dot", "-o", "-"],
            "several drawings to standard output (pass a folder",
        ),
        (["c.dot", "-"], "standard input cannot be combined with other pipelines"),
        (["c.dot", "inside/a.dot", "--watch"], "--watch takes one"),
        (["c.dot", "inside/a.dot", "--json"], "--json takes one"),
        (["c.dot", "inside/a.dot", "--format", "dot"], "would overwrite c.dot"),
        (["c.dot", "inside/c.dot", "-o", "out"], "would both be written to out/c.svg"),
    ],
)
def test_invalid_options_are_refused_before_drawing(
    folder: Path, words: list[str], said: str
) -> None:
    (folder / "inside" / "c.dot").write_text(SMOKE)
    before = sorted(folder.rglob("*"))
    result = attractor("render", *words, folder=folder)
    assert result.returncode == 2
    assert said in result.stdout + result.stderr
    assert sorted(folder.rglob("*")) == before
    assert (folder / "c.dot").read_text() == BRANCH


def test_drawing_of_a_run_goes_to_the_current_folder(folder: Path) -> None:
    run_gated(folder)
    home = {"HOME": str(folder / "home")}
    [run] = (one.parent for one in (folder / "runs").glob("*/manifest.json"))
    before = set(run.iterdir())
    words = ["latest", f"runs/{run.name}", "c.dot"]
    result = attractor("render", *words, folder=folder, variables=home)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "2 drawn, none failed"
    assert "state-done" in (folder / f"{run.name}.svg").read_text()
    assert set(run.iterdir()) == before
