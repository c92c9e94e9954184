"""`attractor render`: a drawing, DOT for Graphviz, or JSON."""

import json
from pathlib import Path

import pytest

from tests.cli.running import attractor
from tests.language.pipelines import BRANCH


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "branch.dot").write_text(BRANCH)
    (tmp_path / "broken.dot").write_text("digraph G { a -- b }")
    return tmp_path


def test_the_drawing_goes_to_standard_output(folder: Path) -> None:
    result = attractor("render", "branch.dot", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("<svg")
    assert result.stdout.endswith("</svg>\n")
    assert "Tests passing?" in result.stdout


@pytest.mark.parametrize("flag", ["-o", "--output"])
def test_the_drawing_goes_into_a_file(folder: Path, flag: str) -> None:
    result = attractor("render", "branch.dot", flag, "out.svg", folder=folder)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert (folder / "out.svg").read_text().startswith("<svg")


def test_a_file_that_cannot_be_written_says_so(folder: Path) -> None:
    result = attractor("render", "branch.dot", "-o", "no/out.svg", folder=folder)
    assert result.returncode == 3
    assert "no" in result.stderr


def test_dot_for_graphviz(folder: Path) -> None:
    result = attractor("render", "branch.dot", "--format", "dot", folder=folder)
    assert result.returncode == 0
    assert 'id="edge-gate-exit"' in result.stdout


@pytest.mark.parametrize("flags", [["--json"], ["--format", "json"]])
def test_json_has_nodes_and_edges_with_what_default_blocks_give_them(
    folder: Path, flags: list[str]
) -> None:
    result = attractor("render", "branch.dot", *flags, folder=folder)
    told = json.loads(result.stdout)
    assert (told["name"], told["attributes"]["rankdir"]) == ("Branch", "LR")
    plan = next(node for node in told["nodes"] if node["id"] == "plan")
    assert plan == {
        "id": "plan",
        "label": "Plan",
        "shape": "box",
        "type": "codergen",
        "classes": [],
        "attributes": {
            "shape": "box",
            "timeout": "900s",
            "label": "Plan",
            "prompt": "Plan the implementation",
        },
    }
    assert told["edges"][-1] == {
        "from": "gate",
        "to": "implement",
        "label": "No",
        "condition": "outcome!=success",
        "weight": 0,
        "attributes": {"label": "No", "condition": "outcome!=success"},
    }


def test_a_broken_pipeline_is_wrong_usage(folder: Path) -> None:
    result = attractor("render", "broken.dot", folder=folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert "broken.dot:1:15: error[syntax]: '--' is no edge" in result.stderr


def test_without_dot_the_library_draws(folder: Path) -> None:
    result = attractor("render", "branch.dot", folder=folder, variables={"PATH": str(folder)})
    assert (result.returncode, result.stderr) == (0, "")
    assert "Tests passing?" in result.stdout
