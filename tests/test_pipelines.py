"""The example pipelines are valid, formatted, tested, drawn and documented."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from attractor.backends.models import newest_model
from attractor.language import format, parse_file, prepare
from attractor.language.graph.graph import Graph
from attractor.pipeline.simulation.pipeline_tests import SUFFIX, open_tests, run_tests
from attractor.pipeline.source.files import SHIPPED
from attractor.twins.script.script import load_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from docs.pictures.drawn_pipelines import FOLDER as PICTURES, ROOT, Drawing, drawings
from tests.cli.running import run_here
from tests.counts import count
from tests.examples import PAGES
from tests.pipeline.projects import git
from tests.tables import table

FOLDER = ROOT / "pipelines"
PIPELINES = sorted(FOLDER.glob("*.dot"))
README = (FOLDER / "README.md").read_text("utf-8")
TEST = "def test_it():\n    assert {}\n"
MAKEFILE = "test:\n\t@true\n"


def test_there_are_ten_pipelines() -> None:
    assert len(PIPELINES) >= 10


@table("file", PIPELINES)
def test_pipeline_is_valid(file: Path) -> None:
    prepared = prepare(file.read_text(), file=str(file))
    assert prepared.is_sound
    assert [one for one in prepared.diagnostics if one.severity != "info"] == []


@table("file", PIPELINES)
def test_pipeline_is_formatted(file: Path) -> None:
    assert format(file.read_text()) == file.read_text()


@table("file", PIPELINES)
def test_its_tests_pass_and_take_every_edge(file: Path) -> None:
    tests = open_tests(file.with_suffix(SUFFIX))
    results = asyncio.run(run_tests(tests))
    assert [one.test.name for one in results if one.differences] == []
    assert len(results) >= 2
    taken = {edge.span for one in results for edge in one.walk.edges}
    assert [edge for edge in tests.graph.edges if edge.span not in taken] == []


@table("file", PIPELINES)
def test_every_agent_has_a_time_limit(file: Path) -> None:
    stages = parse_file(file).of_type("codergen")
    assert [one.id for one in stages if not one.attributes.duration("timeout")] == []


@table("one", drawings())
def test_its_drawings_are_fresh(one: Drawing) -> None:
    assert one.is_fresh, "stale: make docs"
    assert one.file.stat().st_size < 20_000
    assert all(f'id="node-{id_}"' in one.file.read_text("utf-8") for id_ in one.graph.nodes)


def test_drawing_of_another_graph_is_stale(tmp_path: Path) -> None:
    first, second = drawings()[:2]
    copy = Drawing(first.graph, first.theme, tmp_path / first.file.name)
    assert not copy.is_fresh
    copy.file.write_text(first.file.read_text("utf-8"), "utf-8")
    assert copy.is_fresh
    assert not Drawing(first.graph, second.theme, copy.file).is_fresh
    assert not Drawing(Graph("other", {}), first.theme, copy.file).is_fresh


def test_drawings_have_a_pipeline() -> None:
    assert set(PICTURES.glob("*")) == {one.file for one in drawings()}


@table("file", PIPELINES)
def test_a_pipeline_has_its_name_its_line_and_its_section(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("// ")
    # A suite of the crew judges it without a model as well.
    name = "crew" if file.stem == "crew_by_rule" else file.stem
    assert f"digraph {name} {{" in text
    section = README.partition(f"### [{file.name}]({file.name})\n")[2].partition("\n##")[0]
    for theme in ("light", "dark"):
        assert f'="../docs/pictures/pipelines/{file.stem}-{theme}.svg"' in section
    assert re.search(r'<img alt="[^"]{20,}"', section)
    assert len(section.partition("<picture>")[0].split()) > 15


def test_page_lists_existing_pipelines_only() -> None:
    shown = re.findall(r'(?:src|srcset)="([^"]*)"', README)
    assert [one for one in shown if not (FOLDER / one).is_file()] == []
    assert any("pipelines/README.md" in page.read_text("utf-8") for page in PAGES)


def ends_well(
    pipeline: str, node: str, folder: Path, files: dict[str, str], test: str = "make test"
) -> bool:
    """Return whether the command of a tool node succeeds in a folder with these files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    stage = parse_file(FOLDER / f"{pipeline}.dot").nodes[node]
    assert stage.type == "tool"
    programs = (folder / "bin", Path(sys.executable).parent, os.environ["PATH"])
    result = subprocess.run(
        ["/bin/sh", "-c", stage.attributes.text("tool_command")],
        cwd=folder,
        env={
            "PATH": os.pathsep.join(map(str, programs)),
            "HOME": str(folder),
            "ATTRACTOR_INPUT_TEST": test,
            # The plugins of this environment take longer to load than pytest itself.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        check=False,
    )
    return result.returncode == 0


WITHOUT_PYTEST = {"bin/python3": '#!/bin/sh\necho "No module named pytest" >&2\nexit 1\n'}
PYTEST = "python3 -m pytest -q"
SHOWN, NAMED = "tests/test_shown.py", {"TEST.txt": "tests/test_shown.py\n"}


@table(
    ("files", "is_ready"),
    [
        ({"tests/test_a.py": TEST.format(True)}, True),
        ({}, True),
        ({"tests/test_a.py": TEST.format(False)}, False),
        (WITHOUT_PYTEST, False),
    ],
    ids=["passes", "no test", "fails", "no pytest"],
)
def test_work_begins_if_no_test_fails(
    files: dict[str, str], is_ready: bool, tmp_path: Path
) -> None:
    for pipeline, node in (("bug_fix", "ready"), ("refactor", "green")):
        assert ends_well(pipeline, node, tmp_path, files, PYTEST) is is_ready


@table(
    ("files", "is_shown"),
    [
        ({SHOWN: TEST.format(False), **NAMED}, True),
        ({SHOWN: TEST.format(True), **NAMED}, False),
        ({SHOWN: "", **NAMED}, False),
        ({SHOWN: TEST.format(False)}, False),
        ({"tests/test_other.py": TEST.format(False), **NAMED}, False),
    ],
    ids=["fails", "passes", "empty", "unnamed", "elsewhere"],
)
def test_bug_is_reproduced_by_a_failing_test(
    files: dict[str, str], is_shown: bool, tmp_path: Path
) -> None:
    assert ends_well("bug_fix", "must_fail", tmp_path, files, PYTEST) is is_shown


def test_bug_is_fixed_when_its_unchanged_test_passes(tmp_path: Path) -> None:
    shown = {SHOWN: "from fix import IS\n" + TEST.format("IS"), "fix.py": "IS = False\n"}
    assert ends_well("bug_fix", "must_fail", tmp_path, shown | NAMED, PYTEST)
    assert not ends_well("bug_fix", "must_pass", tmp_path, {}, PYTEST)
    assert ends_well("bug_fix", "must_pass", tmp_path, {"fix.py": "IS = not False\n"}, PYTEST)
    assert not ends_well("bug_fix", "must_pass", tmp_path, {SHOWN: TEST.format(True)}, PYTEST)
    bad = {SHOWN: shown[SHOWN], "tests/test_a.py": TEST.format(False)}
    assert not ends_well("bug_fix", "must_pass", tmp_path, bad, PYTEST)


@table(
    ("files", "listed", "next_", "none_left"),
    [
        ({}, False, False, False),
        ({"TODO.txt": ""}, True, False, True),
        ({"TODO.txt": "\n"}, True, False, True),
        ({"TODO.txt": "a.py\nb.py\n"}, True, True, False),
        ({"TODO.txt": "a.py"}, True, True, False),
    ],
    ids=["no list", "empty", "blank", "two", "one, no line end"],
)
def test_missing_list_is_not_empty(
    files: dict[str, str], listed: bool, next_: bool, none_left: bool, tmp_path: Path
) -> None:
    ends = {"listed": listed, "next": next_, "none_left": none_left}
    files = {"Makefile": MAKEFILE, **files}
    assert {one: ends_well("migration", one, tmp_path, files) for one in ends} == ends


def test_migration_with_failing_tests_continues(tmp_path: Path) -> None:
    files = {"Makefile": "test:\n\t@false\n", "TODO.txt": ""}
    assert not ends_well("migration", "none_left", tmp_path, files)


def test_migrated_file_is_removed_from_the_list(tmp_path: Path) -> None:
    assert ends_well("migration", "take_off", tmp_path, {"TODO.txt": "a b.py\nc.py\n"})
    assert (tmp_path / "TODO.txt").read_text() == "c.py\n"
    assert ends_well("migration", "take_off", tmp_path, {})
    assert (tmp_path / "TODO.txt").read_text() == ""


@table(("printed", "is_number"), [("1200", True), ("1.2", False), ("12\nms", False), ("", False)])
def test_only_a_number_can_be_beaten(printed: str, is_number: bool, tmp_path: Path) -> None:
    files = {"Makefile": MAKEFILE, "bench.sh": f"printf {printed!r}\n"}
    assert ends_well("candidates", "baseline", tmp_path, files) is is_number


@pytest.mark.parametrize(("now", "is_faster"), [("900", True), ("1200", False), ("1500", False)])
def test_candidate_must_beat_the_baseline(now: str, is_faster: bool, tmp_path: Path) -> None:
    files = {"Makefile": MAKEFILE, "bench.sh": f"echo {now}\n", "BASELINE.txt": "1200\n"}
    assert ends_well("candidates", "verify", tmp_path, files) is is_faster
    del files["BASELINE.txt"]
    (tmp_path / "BASELINE.txt").unlink()
    assert not ends_well("candidates", "verify", tmp_path, files)


SHOP = ROOT / "examples" / "todo"
TWIN = load_script(FOLDER / "twins" / "examples.py")
# The pipelines in SHIPPED work on the repository of an app (tests/growth/crew).
OF_A_PROJECT = [one for one in PIPELINES if one.stem not in SHIPPED]
KEYS = ("ANTHROPIC", "GEMINI", "OPENAI")
"""The providers whose models agents can use."""


@pytest.fixture(scope="module")
def twin() -> Iterator[Mapping[str, str]]:
    """Yield the variables of a twin that answers every stage of the examples."""
    with in_background(ProviderTwin(TWIN)) as twin:
        yield twin.environ()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a new repository with copies of the examples."""
    folder = tmp_path_factory.mktemp("shop") / "shop"
    shutil.copytree(SHOP, folder)
    for file in PIPELINES:
        shutil.copy(file, folder)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "A to-do list")
    return folder


@pytest.mark.parametrize(
    ("file", "key"),
    # The small count has one of each key.
    [(file, KEYS[at % len(KEYS)]) for at, file in enumerate(OF_A_PROJECT)][:: count(ci=4, full=1)],
    ids=lambda one: one.stem if isinstance(one, Path) else one,
)
def test_a_copied_example_runs_with_the_key_of_one_provider(
    file: Path, key: str, shop: Path, twin: Mapping[str, str], tmp_path: Path
) -> None:
    environ = {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        "HOME": str(tmp_path),
        "ATTRACTOR_STATE_DIR": str(tmp_path / "state"),
        "ATTRACTOR_WORKSPACES_DIR": str(tmp_path),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        **{name: value for name, value in twin.items() if name.startswith(f"{key}_")},
    }
    words = ["run", file.name, "--auto-approve", "--sandbox", "none", "--run-dir"]
    ended = run_here([*words, str(tmp_path / "run")], folder=shop, variables=environ)
    assert ended.returncode == 0, ended.stderr
    provider = key.lower()
    message = f"Model: {newest_model(provider)}, the newest of {provider}, the only provider with"
    assert ended.stderr.count(message) == 1
