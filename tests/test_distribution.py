"""The wheel and the sdist: the man page, and a clean environment outside of the checkout."""

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import httpx
import pytest

from attractor.cli.invocation import PROGRAM, build_root
from tests.archives import unpack
from tests.examples import ROOT
from tests.pipeline.projects import make_project

PIPELINE = """
digraph hello {
    graph [goal="Say hello"]
    start [shape=Mdiamond]
    greet [prompt="Greet: $goal"]
    exit  [shape=Msquare]
    start -> greet -> exit
}
"""


def man_page() -> str:
    place = ROOT / "scripts" / "man_page.py"
    spec = importlib.util.spec_from_file_location("man_page", place)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.man_page(ROOT / "docs" / "reference")


def options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield each command with each of its long options."""
    for one in command.params:
        if isinstance(one, click.Option) and not one.hidden:
            yield from ((context.command_path, name) for name in one.opts if name[:2] == "--")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below
            yield from options(below, click.Context(below, info_name=name, parent=context))


def test_man_page_has_every_option_of_every_command() -> None:
    before, *sections = man_page().replace("\\-", "-").split("\n.SS ")
    texts = {one.partition("\n")[0]: one for one in sections} | {PROGRAM: before}
    root = build_root()
    for path, option in options(root, click.Context(root, info_name=PROGRAM)):
        assert f"\n.B {option}" in texts[path] or f", {option}" in texts[path], (path, option)
    assert before.startswith('.TH ATTRACTOR 1 "" "Attractor"')
    assert "\n.TP\n.B 2\nwrong usage, or an invalid file\n" in man_page()


def run(*words: str | Path, folder: Path, variables: Mapping[str, str] | None = None) -> str:
    """Run a command in a folder, without the caller's settings except the source of packages."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))}
    result = subprocess.run(
        words,
        cwd=folder,
        env={**kept, "PATH": os.environ["PATH"], "HOME": str(folder), **(variables or {})},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, (words, result.stdout, result.stderr)
    return result.stdout


@contextmanager
def background(*words: str | Path, folder: Path) -> Generator[dict[str, Any]]:
    """Run a command until the end of the block; yield the JSON object that it prints first."""
    with subprocess.Popen(
        words,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        text = ""
        for line in process.stdout:
            text += line
            if text.count("{") == text.count("}"):
                break
        try:
            yield json.loads(text)
        finally:
            process.terminate()


def build(source: Path, target: Path, *kinds: str) -> None:
    python = sys.executable
    run(python, "-m", "hatchling", "build", *kinds, "-d", str(target), folder=source)


@pytest.mark.live
def test_wheel_works_in_a_clean_environment_outside_of_the_checkout(tmp_path: Path) -> None:
    build(ROOT, tmp_path / "built")
    [sdist], [wheel] = (list((tmp_path / "built").glob(one)) for one in ("*.tar.gz", "*.whl"))
    unpack(sdist, tmp_path)
    build(tmp_path / sdist.name.removesuffix(".tar.gz"), tmp_path / "again", "-t", "wheel")
    files, again = (contents(one) for one in (wheel, tmp_path / "again" / wheel.name))
    assert files == again

    run(sys.executable, "-m", "venv", tmp_path / "venv", folder=tmp_path)
    programs = tmp_path / "venv" / "bin"
    run(programs / "python", "-m", "pip", "install", "--quiet", wheel, folder=tmp_path)
    assert (tmp_path / "venv" / "share" / "man" / "man1" / "attractor.1").is_file()
    assert (tmp_path / "venv" / "share" / "attractor" / "schemas" / "suite.json").is_file()

    attractor, project = programs / PROGRAM, make_project(tmp_path / "project", PIPELINE)
    assert "no problems found" in run(attractor, "validate", ".", folder=project)
    assert "coder" in run(attractor, "agents", folder=project)
    run(attractor, "render", "pipeline.dot", "-o", "hello.svg", folder=project)
    assert "</svg>" in (project / "hello.svg").read_text()
    (project / "say.toml").write_text('[[rules]]\nanswer = { text = "Hello." }\n')
    with background(
        attractor, "twin", "llm", "--script", "say.toml", "--json", folder=project
    ) as twin:
        words = ("run", "pipeline.dot", "--provider", "openai", "--model", "gpt-5", "--json")
        result = run(attractor, *words, folder=project, variables=twin["environ"])
    assert json.loads(result.splitlines()[-1])["outcome"] == "success"
    new = make_project(tmp_path / "new", **{"total.py": "print()\n"})
    wish = ("--wish", "Add up.", "--example", "python3 total.py 1 => 1", "--example", "ls => 2")
    assert "wrote pipelines/feature.dot" in run(attractor, "init", "--yes", *wish, folder=new)
    with background(attractor, "serve", "--port", "0", "--json", folder=project) as server:
        assert httpx.get(f"{server['url']}/api/v1/version").status_code == 401


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as packed:
        return {name: packed.read(name) for name in packed.namelist()}
