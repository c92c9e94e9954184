"""Runs whose stages work in containers of a real Podman."""

import asyncio
import signal
import subprocess
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.config.settings import PlaceSettings
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.language.diagnostics import NotRunnable
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.place import check_place
from attractor.records.lookup import find_run
from attractor.twins.exchange.answer import Answer
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, script, use
from tests.cli.running import run_here
from tests.environments.containers import EMPTY, IMAGE, SMALL, containers, podman
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import adjusted, git, make_project, open_project, simulated, start
from tests.prepared import begin_prepared
from tests.tables import table

STAGES = r"""
digraph stages {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    make  [shape=parallelogram, tool_command="COMMAND"]
    again [shape=parallelogram, tool_command="cat build/kept && cat made/new > made/copy"]
    start -> make -> again -> exit
}
"""
COMMANDS = (
    "rm readme.txt && mkdir -p made build && echo new > made/new && echo run > made/run && "
    "chmod +x made/run && ln -s new made/link && echo kept > build/kept"
)


@pytest.fixture(scope="module")
def with_podman(tmp_path_factory: pytest.TempPathFactory) -> Generator[Mapping[str, str]]:
    with podman(tmp_path_factory.mktemp("podman")) as environ:
        yield environ


def run_in(opened: Project, place: str, **more: object) -> RunResult:
    return asyncio.run(start(replace(simulated(opened.root, place=place), **more), opened))


def project_with(
    tmp_path: Path, environ: Mapping[str, str], pipeline: str = STAGES, image: str = IMAGE
) -> Project:
    root = make_project(tmp_path / "project", pipeline.replace("COMMAND", COMMANDS))
    (root / ".gitignore").write_text("build/\n")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "ignore")
    opened = adjusted(open_project(root), environ=dict(environ))
    return replace(opened, places={"box": PlaceSettings(kind="podman", image=image)})


def tree_of(opened: Project, result: RunResult) -> str:
    return git(opened.root, "rev-parse", f"attractor/run/{result.run_id}^{{tree}}").strip()


def test_result_is_that_of_the_same_run_here(
    tmp_path: Path, with_podman: Mapping[str, str]
) -> None:
    opened = project_with(tmp_path, with_podman)
    there, here = (run_in(opened, place) for place in ("box", ""))
    assert [there.outcome, here.outcome] == [StageStatus.SUCCESS] * 2, there.reason
    assert tree_of(opened, there) == tree_of(opened, here)
    manifest = read_manifest(RunDirectory(find_run(there.run_id, opened.runs_dir)))
    assert manifest.promises.guards_holdouts
    assert not manifest.promises.bounds_resources
    assert containers(with_podman) == []


@table(
    ("image", "backend", "fault", "fix"),
    [
        ("localhost/missing:1", "simulate", "podman has no image localhost/missing:1", "pull"),
        (EMPTY, "simulate", "the image localhost/empty:1 has no shell", "use an image with sh"),
        (IMAGE, "claude", "the image localhost/full:1 has no program claude", "has claude"),
        (SMALL, "claude", "the image localhost/small:1 has no program python3", "has python3"),
    ],
)
def test_unusable_image_is_refused_before_anything_is_written(
    tmp_path: Path, with_podman: Mapping[str, str], image: str, backend: str, fault: str, fix: str
) -> None:
    agents = STAGES.replace('shape=parallelogram, tool_command="COMMAND"', 'prompt="Do it"')
    environ = {**with_podman, "ANTHROPIC_API_KEY": "key-of-a-test"}
    opened = project_with(tmp_path, environ, agents, image=image)
    with pytest.raises(NotRunnable, match=fault) as caught:
        run_in(opened, "box", backend=backend)
    assert fix in f"{caught.value} {caught.value.hint}"
    assert not opened.runs_dir.exists()


BRANCHES = r"""
digraph branches {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    fan   [shape=component]
    one   [shape=parallelogram, tool_command="COMMAND one"]
    two   [shape=parallelogram, tool_command="COMMAND two"]
    meet  [shape=tripleoctagon, merge=all]
    start -> fan
    fan -> one -> meet
    fan -> two -> meet
    meet -> exit
}
"""
ALONE = "sh alone.sh"
SEEN = 'touch /tmp/$1 && sleep 8 && { ls /tmp; cat /proc/[0-9]*/cmdline | tr "\\0" " "; } > seen-$1'


def test_branches_work_in_containers_of_their_own(
    tmp_path: Path, with_podman: Mapping[str, str]
) -> None:
    opened = project_with(tmp_path, with_podman, BRANCHES.replace("COMMAND", ALONE))
    (opened.root / "alone.sh").write_text(SEEN)
    git(opened.root, "add", ".")
    git(opened.root, "commit", "--quiet", "-m", "script")
    result = run_in(opened, "box")
    assert result.outcome is StageStatus.SUCCESS, result.reason
    for own, other in (("one", "two"), ("two", "one")):
        seen = git(opened.root, "show", f"attractor/run/{result.run_id}:seen-{own}").split()
        assert own in seen
        assert other not in seen
    assert containers(with_podman) == []


ONCE = "cat build/set && ! test -e half && touch half && sleep 6 && rm half && COMMAND"
SETTINGS = f"""
[workspace]
setup = "mkdir -p build && echo set > build/set"
[places.box]
kind = "podman"
image = "{IMAGE}"
"""


@pytest.mark.parametrize("killed", ["run", "container"])
def test_stage_is_repeated_in_another_container(
    tmp_path: Path, with_podman: Mapping[str, str], killed: str
) -> None:
    root = project_with(tmp_path, with_podman, STAGES.replace("COMMAND", ONCE)).root
    (root / "attractor.toml").write_text(SETTINGS)
    variables = {
        **with_podman,
        "ATTRACTOR_STATE_DIR": str(tmp_path / "state"),
        "ATTRACTOR_WORKSPACES_DIR": str(tmp_path / "shared"),
    }

    def is_half() -> bool:
        for name in containers(with_podman):
            words = ["podman", "exec", name, "test", "-e", "/workspace/half"]
            if subprocess.run(words, env=with_podman, check=False).returncode == 0:
                return True
        return False

    words = ("run", "pipeline.dot", "--place", "box", "--backend", "simulate", "--sandbox", "none")
    process = begin_prepared(words, folder=root, variables=variables)
    wait_until(is_half)
    if killed == "run":
        process.kill()
    else:
        subprocess.run(["podman", "kill", "--all"], env=with_podman, check=True)
    assert process.wait(timeout=PATIENCE_S) == (-signal.SIGKILL if killed == "run" else 3)
    wait_until(lambda: containers(with_podman) == [])
    resumed = run_here(("resume", "latest"), folder=root, variables=variables)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    [branch] = git(root, "branch", "--list", "attractor/run/*", "--format", "%(refname)").split()
    names = git(root, "ls-tree", "-r", "--name-only", branch).split()
    assert "made/copy" in names
    assert "half" not in names
    assert containers(with_podman) == []


def test_agent_works_in_a_container(tmp_path: Path, with_podman: Mapping[str, str]) -> None:
    pipeline = STAGES.replace('shape=parallelogram, tool_command="COMMAND"', 'prompt="Do it"')
    calls = [
        use("shell", {"command": f"{COMMANDS} && id -u > made/user"}),
        use("report_outcome", {"outcome": "success"}),
    ]
    answers = script(*(Answer(tool_calls=(call,)) for call in calls))
    with in_background(ProviderTwin(answers)) as twin:
        opened = project_with(tmp_path, {**with_podman, **twin.environ()}, pipeline)
        result = run_in(opened, "box", backend="agent", provider="openai", model=MODELS["openai"])
    assert result.outcome is StageStatus.SUCCESS, result.reason
    user = git(opened.root, "show", f"attractor/run/{result.run_id}:made/user")
    assert user == "10001\n"


def test_check_names_programs_and_promises(tmp_path: Path, with_podman: Mapping[str, str]) -> None:
    opened = project_with(tmp_path, with_podman)
    opened = replace(opened, places={"box": PlaceSettings(kind="podman", image=SMALL)})
    report = asyncio.run(check_place("box", opened))
    assert not report.faults
    assert dict(report.programs)["python3"] == ""
    assert "your folders may be visible" in report.sentence
    assert any("no python3" in one for one in report.notices)
