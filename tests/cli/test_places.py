"""Runs and actors that work in a place: their names in lists, their gate and their submissions."""

import json
from pathlib import Path

from attractor.server.service import Service
from tests.cli.running import attractor
from tests.environments.remotes import Server, server
from tests.factory.flows import Flow, make_flow
from tests.pipeline.projects import git
from tests.server.conftest import serving

__all__ = ["server"]
NO_GO = 5
RUN = ("run", "pipeline.dot", "--backend", "simulate", "--place", "box", "--suite", "todo")


def flow_in(tmp_path: Path, server: Server) -> Flow:
    """Return a project with a suite, whose settings name the place `box`."""
    place = ssh_settings(server, tmp_path / "there")
    hub = '[agent.mcp.hub]\ncommand = "hub"\nenv = { HUB_TOKEN = "canary-4711" }\n'
    return flow_with(tmp_path, place + hub)


def ssh_settings(server: Server, root: Path) -> str:
    options = json.dumps([*server.options])
    return f'host = "{server.host}"\nroot = "{root}"\noptions = {options}\n'


def flow_with(tmp_path: Path, place: str) -> Flow:
    """Return a project with a suite, and with these settings of the place `box`."""
    flow = make_flow(tmp_path)
    (flow.project / "attractor.toml").write_text(f"[places.box]\n{place}")
    git(flow.project, "add", "attractor.toml")
    git(flow.project, "commit", "--quiet", "-m", "Name a place")
    return flow


def call(flow: Flow, *words: str, **variables: str) -> tuple[int, str]:
    state = {"ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    done = attractor(*words, folder=flow.project, variables=state | variables)
    return done.returncode, done.stdout + done.stderr


def test_gate_names_the_place_and_its_missing_isolation(tmp_path: Path, server: Server) -> None:
    flow = flow_in(tmp_path, server)
    code, said = call(flow, *RUN, "--profile", "strict")
    assert (code, "gate: no-go" in said) == (0, True), said
    assert "the place box, and its variables go there: HUB_TOKEN." in said
    assert "canary-4711" not in said
    code, said = call(flow, "gate", "--json")
    [reason] = json.loads(said)["reasons"]
    assert (code, reason["rule"]) == (NO_GO, "isolation_unverified")
    assert "in the place box" in reason["words"]
    code, said = call(flow, *RUN, "--profile", "lenient")
    assert code == 0, said
    code, said = call(flow, "gate", "latest", "--all")
    assert (code, "the profile allows it" in " ".join(said.split())) == (0, True), said


def test_lists_and_pages_name_the_place(tmp_path: Path, server: Server) -> None:
    flow = flow_in(tmp_path, server)
    call(flow, *RUN, "--profile", "lenient")
    [run] = json.loads(call(flow, "runs", "--json")[1])
    assert (run["place"], json.loads(call(flow, "status", "--json")[1])["place"]) == ("box", "box")
    assert "linear in box" in call(flow, "runs")[1]
    assert "\nplace      box\n" in call(flow, "status")[1]
    state = {"PATH": "/usr/bin:/bin", "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    with serving(Service.of(flow.project, state)) as running:
        browser = running.browser()
        assert "linear in box" in browser.get("/runs").text
        assert "<span>place <b>box</b></span>" in browser.get(f"/runs/{run['run_id']}").text
        browser.close()


def test_reader_is_refused(tmp_path: Path) -> None:
    flow = flow_with(tmp_path, 'kind = "podman"\nimage = "full"\n')
    words = ("actor", "spawn", "Look", "--read-only", "--place", "box", "--with", "simulate")
    code, said = call(flow, *words)
    assert (code, "a reader cannot work in the place box" in said) == (4, True), said
