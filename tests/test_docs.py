"""The documentation is complete, its links lead somewhere, and its examples run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from attractor.cli.invocation import command_registry
from attractor.config.schema import SettingReference, list_settings
from attractor.config.settings import Settings
from tests import examples
from tests.examples import PAGES, ROOT, RUNBOOKS, Fence, fences

REFERENCE = ROOT / "docs" / "reference"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def without_fences(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)


@pytest.mark.parametrize("name", list(command_registry()))
def test_every_command_is_documented(name: str) -> None:
    heading = f"## attractor {name.replace('.', ' ')}\n"
    assert heading in (REFERENCE / "commands.md").read_text("utf-8")


@pytest.mark.parametrize("setting", list_settings(Settings), ids=lambda one: one.key)
def test_every_setting_is_documented(setting: SettingReference) -> None:
    page = (REFERENCE / "settings.md").read_text("utf-8")
    assert f"| `{setting.key}` |" in page
    assert f"`{setting.variable}`" in page


@pytest.mark.parametrize("code", list(ExitCode), ids=lambda code: code.name)
def test_every_exit_code_is_documented(code: ExitCode) -> None:
    page = (REFERENCE / "exit-codes.md").read_text("utf-8")
    assert f"| {int(code)} | {code.meaning} |" in page


@pytest.mark.parametrize(
    "fence",
    [one for one in fences("console") if one.page.parent != RUNBOOKS],
    ids=lambda fence: fence.name,
)
def test_every_shell_example_runs_and_prints_what_it_says(fence: Fence, tmp_path: Path) -> None:
    folder = tmp_path
    (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    wanted = list(examples.steps(fence.text))
    for (command, expected), printed in zip(
        wanted, examples.outputs(fence.text, folder), strict=True
    ):
        assert not expected or examples.matches(expected, printed), (command, printed)


def test_every_shell_example_is_collected() -> None:
    allowed = {"console", "text", "toml", "python", "dot", "json", "lua", "elisp"}
    assert [one.name for one in fences() if one.language not in allowed] == []


def test_different_output_of_an_example_is_detected() -> None:
    assert examples.matches("ended with ...", "ended with 2")
    assert examples.matches("{\n...\n}", '{\n  "a": 1\n}')
    assert not examples.matches("ended with 2", "ended with 1")
    assert not examples.matches("a.b", "a-b")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    targets = [target.split("#")[0] for target in LINK.findall(without_fences(page))]
    local = [target for target in targets if target and not target.startswith("https://")]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached = {ROOT / "README.md"}
    waiting = list(reached)
    while waiting:
        page = waiting.pop()
        targets = LINK.findall(without_fences(page))
        pages = {(page.parent / one.split("#")[0]).resolve() for one in targets if ".md" in one}
        waiting += pages - reached
        reached |= pages
    assert set(PAGES) <= reached


@pytest.mark.parametrize(
    "fence",
    [one for one in fences("python") if one.page.name == "CONTRIBUTING.md"],
    ids=lambda fence: fence.text.splitlines()[0],
)
def test_parts_of_the_contributing_page_work(fence: Fence, tmp_path: Path) -> None:
    file = fence.text.splitlines()[0].removeprefix("# ")
    shutil.copytree(ROOT / "attractor", tmp_path / "attractor")
    (tmp_path / file).write_text(fence.text)
    command = {"hello": ["hello", "world"], "make": ["doctor"]}[Path(file).stem]
    result = subprocess.run(
        [sys.executable, "-m", "attractor", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert {"hello": "Hello, world", "make": " make "}[Path(file).stem] in result.stdout
