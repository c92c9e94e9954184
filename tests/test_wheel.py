"""The wheel works in an environment without the checkout, from `init` to `serve`, offline."""

import site
import sys
from pathlib import Path

import httpx
import pytest

from attractor.cli.invocation import PROGRAM
from tests.counts import IS_FULL
from tests.examples import ROOT
from tests.pipeline.projects import git
from tests.test_distribution import background, build, run

SCRIPT = """
[[rules]]
when = { first_user = { regex = "Plan|Implement|Review" }, step = 0 }
answer.tool_calls = [{ name = "report_outcome", arguments = { outcome = "success" } }]

[[rules]]
answer = { text = "Done." }
"""


def install(folder: Path) -> Path:
    """Install the wheel beside the dependencies of this Python, and return its programs."""
    build(ROOT, folder / "built", "-t", "wheel")
    [wheel] = (folder / "built").glob("*.whl")
    run(sys.executable, "-m", "venv", folder / "venv", folder=folder)
    programs = folder / "venv" / "bin"
    run(programs / "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, folder=folder)
    [packages] = (folder / "venv").glob("lib/python3*/site-packages")
    # On the import path only, without its .pth files, one of which contains the path of the
    # checkout.
    (packages / "dependencies.pth").write_text(f"{site.getsitepackages()[0]}\n")
    return programs


@pytest.mark.skipif(not IS_FULL, reason="builds and installs a wheel; set COUNTS=full")
def test_wheel_leads_from_init_to_serve(tmp_path: Path) -> None:
    programs = install(tmp_path)
    attractor, project = programs / PROGRAM, tmp_path / "shop"
    code = "import sys, attractor; print(*attractor.__path__, *sys.path, sep='\\n')"
    places = run(programs / "python", "-c", code, folder=tmp_path).splitlines()
    assert places[0].startswith(str(tmp_path))
    assert str(ROOT) not in places
    project.mkdir()
    (project / "test.sh").write_text("exit 0\n")
    examples = ("--example", "sh test.sh 1 => 1", "--example", "sh test.sh 2 => 2")
    run(attractor, "init", "--wish", "Print it.", *examples, folder=project)
    assert "no problems found" in run(attractor, "validate", "pipelines", folder=project)
    run(attractor, "render", "pipelines/feature.dot", "-o", "feature.svg", folder=project)
    assert "</svg>" in (project / "feature.svg").read_text()
    assert "gallery:bug_fix" in run(attractor, "gallery", "list", folder=project)
    simulated = ("--backend", "simulate", "--sandbox", "none", "--workspace", "none")
    words = ("run", "gallery:feature", "--goal", "Print it.", "--input", "test=true", *simulated)
    assert "success: completed" in run(attractor, *words, folder=project)
    run(attractor, "suite", "init", "scenarios/to-edit", folder=project)
    git(project, "init", "--quiet", "--initial-branch", "main")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Begin")
    (tmp_path / "say.toml").write_text(SCRIPT)
    script = ("--script", tmp_path / "say.toml")
    with background(attractor, "twin", "llm", *script, "--json", folder=project) as twin:
        words = ("-c", "factory.suite=", "run", "pipelines/feature.dot", "--provider", "openai")
        result = run(attractor, *words, folder=project, variables=twin["environ"])
    assert "success: completed" in result
    with background(attractor, "serve", "--port", "0", "--json", folder=project) as server:
        assert httpx.get(f"{server['url']}/api/v1/version").status_code == 401
