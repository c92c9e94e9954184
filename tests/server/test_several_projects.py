"""Several projects open in one process, with one state folder, and secrets of the same name."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path

from attractor.engine.state.run_state import AWAITING_ANSWER, AWAITING_DECISION, REJECTED
from attractor.factory.decisions.decide import Decision, DecisionKind
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.decide import decide_run
from attractor.factory.operations.resume import resume_run
from attractor.factory.operations.start import start_run
from attractor.records.lookup import find_run
from attractor.records.request import Overrides
from attractor.records.summary import summarize
from attractor.server.service import Service
from tests.factory.flows import ANN, REASON
from tests.patience import wait_until
from tests.pipeline.projects import make_project, simulated
from tests.server.conftest import SETTINGS, RunningServer, serving

SECRETS = {"north": "hush-north-1", "east": "hush-east-22", "south": "hush-south-333"}
PIPELINE = """
digraph simple {
    graph [goal="Say it", inputs="word:secret"]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    say   [shape=parallelogram, secrets="word",
           tool_command="echo $ATTRACTOR_INPUT_WORD; env; mkdir $HOME/begun || exit 0; sleep 60"]
    ask   [shape=hexagon, label="Ship it?"]
    again [shape=parallelogram, secrets="word", tool_command="echo $ATTRACTOR_INPUT_WORD; env"]
    start -> say -> ask -> again -> exit
}
"""
START = """
import asyncio, os, sys
from attractor.factory.open_project import open_project
from attractor.factory.operations.start import start_run
from pathlib import Path
from tests.pipeline.projects import simulated
root = Path(sys.argv[1])
request = simulated(root, inputs={"word": sys.argv[2]}, interviewer="park")
asyncio.run(start_run(request, open_project(root, os.environ)))
"""


def open_all(folder: Path) -> Mapping[str, Service]:
    """Open three projects with one state folder."""
    state = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(folder / "state")}
    return {
        name: Service.of(
            make_project(folder / name / "project", PIPELINE, **{"attractor.toml": SETTINGS}),
            {**state, "HOME": str(folder / name)},
        )
        for name in SECRETS
    }


def kill_first_stage(opened: OpenProject, secret: str) -> Path:
    """Start a run in a process of its own, kill the process, and return the run's directory."""
    root, runs_dir = opened.project.root, opened.project.runs_dir
    words = [sys.executable, "-c", START, str(root), secret]
    environ = {**opened.project.machine.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(words, env=environ, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: (root.parent / "begun").exists() or process.poll() is not None)
        assert process.poll() is None
        process.kill()
    return find_run("latest", runs_dir)


def seen_by_a_person(server: RunningServer, run_id: str) -> str:
    """Return the pages, the records and the events of a run, and the list of runs."""
    places = ["", "/", f"/runs/{run_id}", f"/runs/{run_id}/timeline"]
    with closing(server.browser()) as browser, server.client() as client:
        pages = [browser.get(place).text for place in places]
        record = client.get(f"/pipelines/{run_id}")
        events = client.get(f"/pipelines/{run_id}/events")
        assert (record.status_code, events.status_code) == (200, 200)
        return "".join([*pages, record.text, events.text])


def park_and_go_on(opened: Mapping[str, OpenProject], killed: Path) -> Mapping[str, Path]:
    """Bring a run of each project to its question, at once, then to its end; resume the killed."""
    roots = {"south": killed}

    async def park(name: str) -> None:
        word = {"word": SECRETS[name]}
        if name in roots:
            result = await resume_run(roots[name], opened[name], Overrides(inputs=word))
        else:
            request = simulated(opened[name].project.root, inputs=word, interviewer="park")
            result = await start_run(request, opened[name])
        roots[name] = result.directory
        assert result.status == AWAITING_ANSWER

    async def go_on(name: str) -> None:
        overrides = Overrides(interviewer="auto_approve", inputs={"word": SECRETS[name]})
        result = await resume_run(roots[name], opened[name], overrides)
        assert result.status == AWAITING_DECISION

    async def do_all() -> None:
        for act in (park, go_on):
            await asyncio.gather(*map(act, SECRETS))

    asyncio.run(do_all())
    return roots


def test_projects_in_one_process_share_no_run_and_no_secret(tmp_path: Path) -> None:
    services = open_all(tmp_path)
    opened = {name: service.opened for name, service in services.items()}
    killed = kill_first_stage(opened["south"], SECRETS["south"])
    for name in SECRETS.keys() - {"south"}:
        (tmp_path / name / "begun").mkdir()
    roots = park_and_go_on(opened, killed)
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(one)) for name, one in services.items()}
        for name, root in roots.items():
            decide_run(root, opened[name], Decision(DecisionKind.REJECTED, ANN, f"{REASON} {name}"))
        seen = {name: seen_by_a_person(servers[name], roots[name].name) for name in roots}
    for name, root in roots.items():
        assert root.parent == opened[name].project.runs_dir
        assert summarize(root).status == REJECTED.word
        assert (root / "again" / "stdout.txt").read_text().startswith("***\n")
        assert [other for other in roots if roots[other].name in seen[name]] == [name]
        assert [other for other in roots if f"{REASON} {other}" in seen[name]] == [name]
    kept = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert len(kept) > 100
    found = b"".join([*kept, str(seen).encode()])
    assert not [secret for secret in SECRETS.values() if secret.encode() in found]
