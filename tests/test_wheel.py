"""The wheel works in an environment without the checkout, from `init` to `serve`, offline."""

import re
import shutil
import site
import sys
import zipfile
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


LARGEST_WHEEL = 4_000_000
ONLY_IN_A_CLONE = re.compile(
    r"\bdocs/(explanation|how-to|reference|runbooks|tutorial)|scripts/size|make demo|in a checkout:"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build(ROOT, folder := tmp_path_factory.mktemp("built"), "-t", "wheel")
    [built] = folder.glob("*.whl")
    return built


def install(wheel: Path, folder: Path, installer: str) -> Path:
    """Install the wheel beside the dependencies of this Python, and return its programs."""
    venv = folder / "venv"
    programs = venv / "bin"
    make = [sys.executable, "-m", "venv", venv]
    # pip finds what the wheel needs among the dependencies; uv looks at its own packages only.
    add = [programs / "pip", "install", "--no-index"]
    if installer == "uv":
        make = ["uv", "venv", "--python", sys.executable, venv]
        add = ["uv", "pip", "install", "--python", programs / "python", "--offline", "--no-deps"]
    run(*make, folder=folder)
    # On the import path only, without its .pth files, one of which contains the path of the
    # checkout.
    [packages] = venv.glob("lib/python3*/site-packages")
    (packages / "dependencies.pth").write_text(f"{site.getsitepackages()[0]}\n")
    run(*add, "--quiet", wheel, folder=folder)
    return programs


def test_wheel_is_small_and_names_nothing_that_only_a_clone_has(wheel: Path) -> None:
    assert wheel.stat().st_size < LARGEST_WHEEL
    with zipfile.ZipFile(wheel) as packed:
        texts = {
            name: packed.read(name).decode()
            for name in packed.namelist()
            if name.endswith((".py", ".md", ".toml", ".dot", ".1", ".json", ".html"))
        }
    named = {name: hit[0] for name, text in texts.items() if (hit := ONLY_IN_A_CLONE.search(text))}
    assert named == {}


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_installed_wheel_works_outside_of_the_clone(
    wheel: Path, tmp_path: Path, installer: str
) -> None:
    if not shutil.which(installer):
        pytest.skip(f"{installer} is not on the PATH: python3 -m pip install {installer}")
    programs = install(wheel, tmp_path, installer)
    home, project, app = (tmp_path / name for name in ("home", "project", "app"))
    for folder in (home, project, app):
        folder.mkdir()
    attractor, printed = programs / PROGRAM, list[str]()

    def call(*words: str | Path, folder: Path = project) -> str:
        result = run(attractor, *words, folder=folder, variables={"HOME": str(home)})
        printed.append(result)
        return result

    check = (sys.executable, "-m", "pip", "--python", programs / "python", "check")
    assert "No broken requirements" in run(*check, folder=project)
    assert "Usage: attractor" in call("--help")
    simulated = ("--backend", "simulate", "--sandbox", "none", "--workspace", "none")
    words = ("run", "gallery:feature", "--goal", "Print it.", "--input", "test=true")
    assert "success: completed" in call(*words, *simulated)
    call("suite", "init", "scenarios/first")
    assert "no problems found" in call("suite", "lint", "scenarios/first")
    git(project, "init", "--quiet")
    git(project, "add", "--all", "--", ":!runs")
    git(project, "commit", "--quiet", "--message", "Begin")
    with pytest.raises(AssertionError, match="assert 5 == 0"):
        call("judge", "--sandbox", "none", "--", "sh", "-c", "echo 1 > made.txt")
    assert "grow plan" in call("grow", "init", "--example", "lending", folder=app)
    assert "complete -o" in call("completion", "bash")
    call("doctor")
    page = programs.parent / "share" / "man" / "man1" / "attractor.1"
    assert page.read_text().startswith(".TH ATTRACTOR 1")
    with background(attractor, "serve", "--port", "0", "--json", folder=project) as server:
        assert httpx.get(f"{server['url']}/api/v1/version").status_code == 401
    text = "\n".join([*printed, page.read_text()])
    assert str(ROOT) not in text
    assert not ONLY_IN_A_CLONE.search(text)


@pytest.mark.skipif(not IS_FULL, reason="builds and installs a wheel; set COUNTS=full")
def test_wheel_leads_from_init_to_serve(wheel: Path, tmp_path: Path) -> None:
    programs = install(wheel, tmp_path, "pip")
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
    unjudged = ("-c", "factory.suite=", "run")
    goal = ("--goal", "Print it.", "--input", "test=true")
    words = (*unjudged, "gallery:feature", *goal, *simulated)
    assert "success: completed" in run(attractor, *words, folder=project)
    run(attractor, "suite", "init", "scenarios/to-edit", folder=project)
    git(project, "init", "--quiet", "--initial-branch", "main")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Begin")
    (tmp_path / "say.toml").write_text(SCRIPT)
    script = ("--script", tmp_path / "say.toml")
    with background(attractor, "twin", "llm", *script, "--json", folder=project) as twin:
        words = (*unjudged, "pipelines/feature.dot", "--provider", "openai")
        result = run(attractor, *words, folder=project, variables=twin["environ"])
    assert "success: completed" in result
    with background(attractor, "serve", "--port", "0", "--json", folder=project) as server:
        assert httpx.get(f"{server['url']}/api/v1/version").status_code == 401
