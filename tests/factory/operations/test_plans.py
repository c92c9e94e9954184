"""The one order in which all runs are planned and begin, whatever they come from."""

import asyncio
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_DECISION
from attractor.factory.operations.evaluate import request_evaluation
from attractor.factory.operations.fork import fork_run
from attractor.factory.operations.rebase import rebase_run
from attractor.factory.operations.resume import resume_run
from attractor.factory.operations.start import start_run
from attractor.records.request import Overrides
from tests.factory.flows import make_flow
from tests.pipeline.projects import git, simulated

SECRET = "hush-hush-hush"
PIPELINE = """
digraph linear {
    graph [goal="Say hello", inputs="word:secret"]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    ask   [shape=hexagon]
    make  [shape=parallelogram, tool_command="echo made > made.txt"]
    judge [shape=parallelogram, tool_command="test -e again || (touch again; exit 1)"]
    start -> ask
    ask -> make [label="[Y] Yes"]
    make -> judge
    judge -> exit [condition="outcome=success"]
    judge -> make [condition="outcome=fail", loop_restart=true]
}
"""
STEPS = {
    ("plan/origins.py", "secrets"): "secrets",
    ("plan/origins.py", "ask"): "request",
    ("operations/policy.py", "find"): "policy",
    ("plan/origins.py", "read"): "pipeline",
    ("source/read.py", "of"): "file",
    ("preflight/preflight.py", "preflight"): "preflight",
    ("workspace/create.py", "choose_sandbox"): "sandbox",
    ("environments/selection.py", "require_promised"): "promises",
    ("pipeline/begin.py", "begin"): "begin",
    ("workspaces/create/isolated.py", "create_isolated"): "workspace",
    ("workspaces/create/isolated.py", "reopen_workspace"): "opened workspace",
    ("run_folder/layout.py", "create_run_directory"): "directory",
    ("pipeline/boot.py", "boot"): "walk",
}
PLAN = ["secrets", "request", "policy", "pipeline", "preflight", "sandbox", "promises", "begin"]
NEW = [*PLAN, "workspace", "directory", "walk"]
RESUMED = [*PLAN, "opened workspace", "walk"]
FORKED = [*PLAN, "workspace", "directory", "opened workspace", "walk"]
EVALUATED = [one for one in RESUMED if one != "preflight"]
REBASED = ["workspace", "directory", *EVALUATED]


@contextmanager
def watched(folder: Path) -> Generator[list[str]]:
    """Yield the steps as they begin; compare all files before and after each plan."""
    steps, kept = list[str](), dict[Path, bytes]()
    # A coroutine is called once, and entered again after each wait.
    entered = set[FrameType]()

    def look(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event != "call" or frame in entered:
            return
        if code.co_name == "plan_run":
            entered.add(frame)
            kept.update(files(folder))
        for (file, name), step in STEPS.items():
            if code.co_name == name and code.co_filename.endswith(file):
                entered.add(frame)
                steps.append(step)
                if step == "begin":
                    assert files(folder) == kept
                    kept.clear()

    sys.setprofile(look)
    try:
        yield steps
    finally:
        sys.setprofile(None)


def files(folder: Path) -> dict[Path, bytes]:
    found = {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}
    # A lock of the state folder is an empty file.
    return {one: content for one, content in found.items() if content}


def test_all_runs_are_planned_and_begin_in_one_order(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    (flow.project / "pipeline.dot").write_text(PIPELINE)
    git(flow.project, "commit", "--quiet", "--all", "--message", "Ask")
    request = simulated(flow.project, inputs={"word": SECRET}, suite="todo", profile="lenient")
    again = Overrides(inputs={"word": SECRET}, interviewer="auto_approve")

    def steps_of(work: Callable[[], RunResult]) -> tuple[RunResult, list[str]]:
        with watched(tmp_path) as steps:
            result = work()
        return result, steps

    parked, steps = steps_of(lambda: asyncio.run(start_run(request, flow.opened)))
    # A suite may take minutes to be registered, so the pipeline is read before.
    assert steps == ["pipeline", "file", *NEW]
    done, steps = steps_of(lambda: asyncio.run(resume_run(parked.directory, flow.opened, again)))
    # The failure of `judge` restarts the run.
    assert steps == [*RESUMED, "workspace", "directory", *RESUMED]
    assert done.status == AWAITING_DECISION
    request_evaluation(done.directory, flow.opened, by="ann")
    _, steps = steps_of(lambda: flow.resume(done))
    assert steps == EVALUATED
    _, steps = steps_of(lambda: asyncio.run(fork_run(parked.directory, "make", flow.opened, again)))
    assert steps == [*FORKED, "workspace", "directory", *RESUMED]
    (flow.project / "other.txt").write_text("meanwhile\n")
    git(flow.project, "add", "other.txt")
    git(flow.project, "commit", "--quiet", "--message", "Add other.txt")
    rebase = rebase_run(done.directory, flow.opened, branch="main", by="ann")
    _, steps = steps_of(lambda: asyncio.run(rebase))
    assert steps == REBASED
    assert [file for file, content in files(tmp_path).items() if SECRET.encode() in content] == []
