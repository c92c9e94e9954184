"""The cache folder of a run: shared by its stages and branches, and by nothing else."""

import asyncio
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.result import RunResult
from attractor.pipeline.execute import resume
from attractor.pipeline.garbage import CACHE, Collector, Rules, Whereabouts
from attractor.pipeline.project.project import Project
from attractor.records.request import Overrides
from attractor.workspaces.caches import cache_folder
from attractor.workspaces.preparation import Preparation
from tests.needs import ALLOWED, needs, needs_sandbox
from tests.pipeline import dying_caches
from tests.pipeline.projects import adjusted, git, make_project, open_project, simulated, start
from tests.pipeline.test_boot import boot_steps

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
TOOL = "shape=parallelogram, tool_command"


@pytest.fixture(params=["bubblewrap", "landlock"])
def sandbox(request: pytest.FixtureRequest) -> str:
    """The name of an available sandbox."""
    request.getfixturevalue(ALLOWED[request.param])
    return request.param


def stages(*commands: str) -> str:
    """Return a pipeline of tool stages, one after the other."""
    names = [f"s{number}" for number in range(len(commands))]
    nodes = "\n".join(
        f'{name} [{TOOL}="{command}"]' for name, command in zip(names, commands, strict=True)
    )
    return f"digraph stages {{ {ENDS}\n{nodes}\nstart -> {' -> '.join(names)} -> exit }}"


def execute(opened: Project, sandbox: str, **more: object) -> RunResult:
    """Execute the pipeline of a project, which must succeed."""
    result = asyncio.run(start(simulated(opened.root, sandbox=sandbox, **more), opened))
    assert result.outcome is StageStatus.SUCCESS, result
    return result


BRANCHES = f"""digraph branches {{ {ENDS}
    fan [shape=component]; meet [shape=tripleoctagon]
    make [{TOOL}="mkdir $GOCACHE && echo one > $GOCACHE/entry"]
    a [{TOOL}="cat $GOCACHE/entry && echo a > $GOCACHE/a"]
    b [{TOOL}="cat $GOCACHE/entry && echo b > $GOCACHE/b"]
    last [{TOOL}="cat $GOCACHE/a $GOCACHE/b"]
    start -> make -> fan -> a -> meet; fan -> b -> meet -> last -> exit }}
"""


@pytest.mark.parametrize("kind", ["isolated", "in-place"])
def test_stages_and_branches_share_the_cache_folder_of_their_run(
    tmp_path: Path, sandbox: str, kind: str
) -> None:
    opened = open_project(make_project(tmp_path / "project", BRANCHES))
    first = execute(opened, sandbox, workspace=kind)
    cache = cache_folder(opened.machine.state_dir, first.run_id)
    assert sorted(one.name for one in (cache / "go-build").iterdir()) == ["a", "b", "entry"]
    # Its first stage would fail if the folder existed.
    second = execute(opened, sandbox, workspace=kind)
    assert cache_folder(opened.machine.state_dir, second.run_id) != cache
    assert cache.is_dir()


def test_cache_folder_is_removed_with_the_workspace(tmp_path: Path, sandbox: str) -> None:
    opened = open_project(make_project(tmp_path / "project", stages("exit 3")))
    failed = asyncio.run(start(simulated(opened.root, sandbox=sandbox), opened))
    assert cache_folder(opened.machine.state_dir, failed.run_id).is_dir()
    rules = Rules(datetime.now(UTC) + timedelta(seconds=1), timedelta())
    collector = Collector(opened, lambda run_id: Whereabouts((failed.directory,), True), rules)
    assert CACHE in {freed.what for freed in asyncio.run(collector.collect()).freed}
    assert list((opened.machine.state_dir / "workspaces").iterdir()) == []


def test_settings_name_the_folders_and_no_sandbox_uses_those_of_the_operator(
    tmp_path: Path, sandbox: str
) -> None:
    project = make_project(tmp_path / "project", stages("echo $MINE,$GOCACHE > named"))
    opened = adjusted(open_project(project, GOCACHE="/own"), cache_variables={"MINE": "mine"})
    execute(opened, sandbox, workspace="in-place")
    assert (project / "named").read_text().strip().endswith("/mine,")
    execute(opened, "none", workspace="in-place")
    assert (project / "named").read_text() == ",/own\n"


GO_FILES = {
    "go.mod": "module example\n\ngo 1.19\n",
    "main.go": 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("hello") }\n',
}


def go_minor() -> int:
    """Return the second number of the version of the installed Go."""
    said = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout
    return int(said.split("go1.")[1].split(".")[0].split()[0])


def with_go(opened: Project) -> Project:
    """Return a project whose stages can read the installed Go."""
    asked = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True)
    root = asked.stdout.strip()
    environ = {**opened.machine.environ, "PATH": f"{root}/bin:/usr/bin:/bin", "GOROOT": root}
    return adjusted(opened, environ=environ, readable=(Path(root),))


@needs("go")
def test_second_stage_of_a_run_compiles_nothing_in_go(tmp_path: Path, sandbox: str) -> None:
    build = "go build -x -o /dev/null . 2> {}.log"
    project = make_project(tmp_path / "project", stages(build.format(1), build.format(2)))
    for name, text in GO_FILES.items():
        (project / name).write_text(text)
    execute(with_go(open_project(project)), sandbox, workspace="in-place")
    assert "/compile " in (project / "1.log").read_text()
    assert "/compile " not in (project / "2.log").read_text()


CARGO_TEST = "cargo test > {0}.log 2>&1; mkdir -p logs && mv {0}.log logs"
CARGO_BRANCHES = f"""digraph branches {{ {ENDS}
    fan [shape=component]; meet [shape=tripleoctagon, merge=all]
    first [{TOOL}="{CARGO_TEST.format("first")}"]
    a [{TOOL}="{CARGO_TEST.format("a")}"]
    b [{TOOL}="{CARGO_TEST.format("b")}"]
    start -> first -> fan -> a -> meet; fan -> b -> meet -> exit }}
"""


@needs_sandbox
@needs("cargo")
def test_branches_compile_nothing_with_cargo(tmp_path: Path) -> None:
    crate = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
    files = {"Cargo.toml": crate, "src/lib.rs": "#[test]\nfn passes() {}\n"}
    ignored = {".gitignore": "target/\nCargo.lock\n"}
    project = make_project(tmp_path / "project", CARGO_BRANCHES, **files, **ignored)
    result = execute(with_cargo(open_project(project)), "bubblewrap")
    branch = f"attractor/run/{result.run_id}"
    logs = {one: git(project, "show", f"{branch}:logs/{one}.log") for one in ("first", "a", "b")}
    assert all("test passes ... ok" in log for log in logs.values()), logs
    assert {one for one, log in logs.items() if "Compiling" in log} == {"first"}


def with_cargo(opened: Project) -> Project:
    """Return a project whose stages can read the installed Rust."""
    asked = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True)
    toolchain = Path(asked.stdout.strip())
    environ = {**opened.machine.environ, "PATH": f"{toolchain}/bin:/usr/bin:/bin"}
    return adjusted(opened, environ=environ, readable=(toolchain,))


FROM_SETUP = "grep -x base $GOCACHE/base && ! test -e $GOCACHE/new"
SPOIL = "echo wrong > $GOCACHE/base; echo wrong > $GOCACHE/new"


@needs_sandbox
def test_each_run_begins_with_the_caches_that_the_setup_left(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", stages(FROM_SETUP, SPOIL), lock="1")
    setup = "mkdir -p $GOCACHE && echo base > $GOCACHE/base"
    wanted = Preparation(setup=setup, setup_files=("/lock",))
    said: list[str] = []
    opened = adjusted(open_project(project), preparation=wanted, tell=said.append)
    runs = [execute(opened, "bubblewrap") for _ in range(3)]
    # The modes of the kept files are theirs.
    assert "Made private" not in " ".join(said)
    outcomes = [one["how"] for run in runs for one in boot_steps(run.directory) if "how" in one]
    assert outcomes == ["run", "kept", "kept"]


@needs_sandbox
def test_setup_that_is_repeated_after_stages_keeps_nothing_for_later_runs(tmp_path: Path) -> None:
    lose = "rm -r deps && echo wrong > $GOCACHE/base"
    text = stages("mkdir $GOCACHE; " + lose).replace("-> exit", "-> ask -> exit")
    text = text.replace("{", "{ ask [shape=hexagon];", 1)
    project = make_project(tmp_path / "project", text, **{".gitignore": "deps/\n"})
    opened = adjusted(
        open_project(project), preparation=Preparation(setup="mkdir deps; touch deps/made")
    )
    request = simulated(project, sandbox="bubblewrap", interviewer="park")
    parked = asyncio.run(start(request, opened))
    shutil.rmtree(opened.machine.state_dir / "setups")
    ended = asyncio.run(resume(parked.directory, opened, Overrides(interviewer="auto_approve")))
    assert ended.outcome is StageStatus.SUCCESS
    assert [one["how"] for one in boot_steps(ended.directory) if "how" in one] == ["run", "run"]
    assert not (opened.machine.state_dir / "setups").exists()


def runs_of(opened: Project) -> set[Path]:
    """Return the directories of the runs of a project."""
    return {one for one in opened.runs_dir.iterdir() if one.is_dir() and not one.is_symlink()}


@needs_sandbox
@pytest.mark.parametrize("moment", ["save", "restore", "stage"])
def test_kill_during_a_write_of_a_cache_harms_no_run(tmp_path: Path, moment: str) -> None:
    project = make_project(
        tmp_path / "project", dying_caches.PIPELINE, lock="3" if moment == "stage" else "0"
    )
    opened = dying_caches.prepared_host(project)
    earlier: set[Path] = set()
    if moment == "restore":
        execute(opened, "bubblewrap")
        earlier = runs_of(opened)
    dying_caches.run_and_die(project, "copying" if moment != "stage" else moment)
    [killed] = runs_of(opened) - earlier
    setups = opened.machine.state_dir / "setups"
    assert len([one for one in setups.iterdir() if (one / "setup.json").exists()]) == (
        moment != "save"
    )
    ended = asyncio.run(resume(killed, opened, Overrides()))
    assert ended.outcome is StageStatus.SUCCESS
    execute(opened, "bubblewrap")
    [kept] = setups.iterdir()
    assert len(list((kept / "caches" / "go-build").iterdir())) == dying_caches.ENTRIES
