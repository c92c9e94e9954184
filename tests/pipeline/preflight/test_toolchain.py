"""Versions of toolchain programs in the sandbox of a run, and outside of it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from attractor.base.json import Json
from attractor.pipeline.plan.origins import New
from attractor.pipeline.plan.plan_run import plan_run
from attractor.pipeline.preflight.toolchain import compare_called_programs
from tests.needs import needs_bubblewrap
from tests.pipeline.projects import adjusted, make_project, open_project, simulated

PIPELINE = """digraph tools {
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    build [shape=parallelogram, tool_command="cargo build && go vet; ruby x.rb; bun x; node x; ls"]
    again [shape=parallelogram, script="cargo test"]
    start -> build -> again -> exit
}
"""
RUSTUP = """if [ -z "$RUSTUP_HOME" ]; then
    echo "error: rustup could not choose a version of cargo to run" >&2
    exit 1
fi
echo cargo 1.95.0"""


def put(folder: Path, **scripts: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


def compare(folder: Path, sandbox: str) -> Mapping[Json, Mapping[str, Json]]:
    """Compare the programs of a pipeline; the sandbox shows one of two folders on the PATH."""
    project = make_project(folder / "project", PIPELINE)
    ours = put(project / "bin", bun=f"touch {folder}/started; echo 1.0.0")
    hidden = put(folder / "hidden", go="echo go version go1.26.1", ruby="echo ruby 3.1.2")
    shown = put(folder / "shown", go="echo go version go1.19.8", node="echo v20.1.0", rustup=RUSTUP)
    (shown / "cargo").symlink_to("rustup")
    path = f"{ours}:{hidden}:{shown}:/usr/bin:/bin"
    opened = open_project(project, PATH=path, RUSTUP_HOME=str(folder / ".rustup"))
    opened = adjusted(opened, readable=(shown,))
    request = simulated(project, sandbox=sandbox)
    plan = asyncio.run(plan_run(New(request, None, {}), opened))
    compared = asyncio.run(
        compare_called_programs(plan.pipeline, request, plan.sandbox, plan.scope)
    )
    records = [one.to_json() for one in compared]
    assert not (folder / "started").exists()
    return {one["program"]: one for one in records}


@needs_bubblewrap
def test_other_versions_and_missing_programs_in_the_sandbox_are_found(tmp_path: Path) -> None:
    found = compare(tmp_path, "bubblewrap")
    versions = {name: (one["inside"], one["outside"]) for name, one in found.items()}
    assert versions == {
        "cargo": ("", "1.95.0"),
        "go": ("1.19.8", "1.26.1"),
        "ruby": ("", "3.1.2"),
        "node": ("20.1.0", "20.1.0"),
    }
    hidden, shown = tmp_path / "hidden", tmp_path / "shown"
    assert {name: one["difference"] for name, one in found.items()} == {
        "cargo": "cargo does not say its version in the sandbox: error: rustup could not choose a "
        f"version of cargo to run (outside: 1.95.0 ({shown}/cargo)). "
        f'Add read = ["{shown}", "~/.rustup"] and env = {{ RUSTUP_HOME = "~/.rustup" }} to '
        "[sandbox] of the profile.",
        "go": f"go is 1.19.8 ({shown}/go) in the sandbox, outside 1.26.1 ({hidden}/go).",
        "ruby": f"ruby is not on the PATH of the sandbox (outside: 3.1.2 ({hidden}/ruby)). "
        f'Add read = ["{hidden}"] to [sandbox] of the profile.',
        "node": "",
    }


def test_without_a_sandbox_nothing_is_compared(tmp_path: Path) -> None:
    assert compare(tmp_path, "none") == {}
