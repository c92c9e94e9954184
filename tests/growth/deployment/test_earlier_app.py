"""An app that the version of 646fcfbd made, started and left running is used by this version."""

import asyncio
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.growth.api.deployments import describe_app, start_app, stop_app
from attractor.growth.api.plans import describe_simulation, simulate
from attractor.growth.apps.verification import verify_app
from attractor.growth.deployment.deploy import Deployment
from attractor.growth.simulation.report import Depth
from attractor.records.lookup import find_run
from tests.growth.deployment.living import NEW_FIELD, Living

VERSION = "646fcfbd3"
ROOT = Path(__file__).parents[3]
MAKE = '''
import sys
from pathlib import Path
from types import SimpleNamespace

from attractor.growth.deployment.targets import local
from tests.growth.deployment import living

living.GENERATED = """
digraph crew {
  start [shape=Mdiamond]
  exit [shape=Msquare]
  skeleton [type="growth.skeleton"]
  put [shape=parallelogram, tool_command="sed -i 's/NotBuilt, //;s/raise.*/return {}/' app/steps/*"]
  seal [type="growth.skeleton"]
  start -> skeleton -> put -> seal -> exit
}
"""
living.HOLDOUT = """
id = "holds"
title = "It is what was decided"
story = "Ann asks if it is still the app."
[[steps]]
name = "look"
run = "test -f app/generated.json"
[[checks]]
kind = "divergence"
"""
# A supervisor gets few variables of its starter.
local.sys = SimpleNamespace(executable=sys.argv[2])
app = living.make_living(Path(sys.argv[1]), is_generated=True)
app.grow({"type": "add_source", "name": "weather"})
app.post("/data/block", {"id": "b1", "crop": "rye"})
app.grow(living.NEW_FIELD)
'''


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Living]:
    """Let the earlier version make an app with two stages, and leave it running."""
    old, folder, python = tmp_path / "old", tmp_path / "home" / "app", tmp_path / "python"
    try:
        packed = subprocess.run(
            ["git", "archive", VERSION, "attractor", "tests"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
    except subprocess.CalledProcessError:
        pytest.skip(f"the history does not contain {VERSION}")
    with tarfile.open(fileobj=BytesIO(packed)) as files:
        files.extractall(old, filter="data")
    folder.parent.mkdir()
    python.write_text(f'#!/bin/sh\nPYTHONPATH={old} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    made = subprocess.run([python, "-c", MAKE, folder, python], cwd=old, check=False)
    app = Living(folder)
    try:
        assert made.returncode == 0
        yield app
    finally:
        app.stop()


def waiting(app: Living, done: Deployment) -> str:
    """Approve a run, and return the words of the person's question."""
    shown = read_manifest(RunDirectory(find_run(done.run_id, app.plane.project.runs_dir)))
    app.decide(done.run_id)
    return shown.goal


def test_app_of_an_earlier_version_is_opened_restarted_grown_and_rolled_back(app: Living) -> None:
    url = describe_app(app.plane)["url"]
    assert url
    assert app.url == url
    assert verified(app) == []
    stop_app(app.plane)
    assert describe_app(app.plane)["url"] == ""
    start_app(app.plane, is_again=True)
    assert describe_app(app.plane)["url"] == url

    # The ledger of the earlier version does not say which paths trials got.
    app.register_suite()
    plan = app.plan({**NEW_FIELD, "name": "slope"})
    simulate(app.plane, plan.id, Depth.REHEARSAL)
    simulation = describe_simulation(app.plane, plan.id)
    assert simulation["faults"] == []
    risks = str(simulation["risks"])
    words = r"skeleton is generated anew by .*: \d+ files with [\d,]+ changed lines"
    assert re.search(words, risks)
    waiting(app, app.deploy(plan))
    app.deploy(plan)
    assert verified(app) == []
    app.post("/data/block", {"id": "b2", "crop": "oat"})

    goal = waiting(app, app.roll_back())
    assert "Roll back to v0-2, which goes back to the skeleton of version " in goal
    assert app.roll_back().stage == "v0-4"
    assert [one["id"] for one in app.records()] == ["b1", "b2"]
    assert verified(app) == []
    skeleton = app.folder / "app" / "pipelines.py"
    text = skeleton.read_bytes()
    skeleton.write_bytes(text + b"\n")
    assert verified(app) == ["app/pipelines.py"]
    asyncio.run(verify_app(app.plane.project, reconverge=True))
    assert skeleton.read_bytes() == text

    app.grow({**NEW_FIELD, "name": "shade"})
    assert verified(app) == []
    assert skeleton.read_bytes() != text


def verified(app: Living) -> list[str]:
    """Return the files that `spec verify` names."""
    found = asyncio.run(verify_app(app.plane.project, reconverge=False))
    return [one.path for one in found.divergences]
