"""The real coding agents work over SSH and in containers; no key and no holdout goes there."""

import os
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest

from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.cli.test_places import call, flow_in, flow_with
from tests.environments.containers import IMAGE, podman
from tests.environments.remotes import ssh_server
from tests.external_agents.test_approvals import one_by_one
from tests.external_agents.test_backends import PROGRAMS, REPORT, ROUTING, Outside, each_program
from tests.pipeline.projects import git
from tests.worlds.test_placed_actors import INSIDE, ContainerPlace, hidden_in, tell_story

pytestmark = pytest.mark.agents
LOOK = """
for one in /proc/[0-9]*; do
  command grep -qs STARTED_BY_ATTRACTOR $one/environ && cat $one/environ $one/cmdline; done > seen
"""
LOOK_INSIDE = f"{{ {INSIDE}; }} | tr -cd '\\0-\\177' > seen"
SCRIPT = (
    ROUTING.format()
    + """
[[rules]]
when = { last_user = "Plan: Say hello", step = 0 }
answer = { text = "I look.", tool_calls = [LOOK] }

[[rules]]
answer.text = "It is done."
"""
)


@each_program
def test_program_works_in_a_place_without_a_key_or_a_holdout(one: Outside, tmp_path: Path) -> None:
    one.require()
    look = one.run(f"{LOOK.strip()}; {REPORT}").toml()
    (tmp_path / "sshd").mkdir()
    with (
        ssh_server(tmp_path / "sshd", search_path=os.environ["PATH"]) as server,
        in_background(ProviderTwin(parse_script(SCRIPT.replace("LOOK", look)))) as twin,
    ):
        flow = flow_in(tmp_path, server)
        words = ("--backend", one.program, *(["--model", one.model] if one.model else []))
        judged = ("--place", "box", "--suite", "todo", "--profile", "lenient")
        code, said = call(flow, "run", "pipeline.dot", *words, *judged, **twin.environ())
        log = [(asked.step, asked.status, asked.rule, asked.error) for asked in twin.requests]
    assert (code, "gate: go" in said) == (0, True), f"{said}\n{log}"
    files = {path: path.read_bytes() for path in (tmp_path / "there").rglob("*") if path.is_file()}
    [seen] = [content for path, content in files.items() if path.name == "seen"]
    assert b"STARTED_BY_ATTRACTOR" in seen
    hidden = [word.encode() for word in hidden_in(twin)]
    assert [path for path, content in files.items() if any(map(content.count, hidden))] == []


@pytest.fixture(scope="module")
def with_podman(tmp_path_factory: pytest.TempPathFactory) -> Generator[Mapping[str, str]]:
    names = [one.program for one in PROGRAMS]
    with podman(tmp_path_factory.mktemp("podman"), *names) as environ:
        yield environ


@each_program
def test_program_works_in_a_container_without_a_key_or_a_holdout(
    one: Outside, tmp_path: Path, with_podman: Mapping[str, str]
) -> None:
    one.require()
    look = one.run(f"{LOOK_INSIDE}\n{REPORT}").toml()
    with in_background(ProviderTwin(parse_script(SCRIPT.replace("LOOK", look)))) as twin:
        flow = flow_with(tmp_path, f'kind = "podman"\nimage = "{IMAGE}"\n')
        words = ("--backend", one.program, *(["--model", one.model] if one.model else []))
        judged = ("--place", "box", "--suite", "todo", "--profile", "lenient")
        environ = {**with_podman, **twin.environ()}
        code, said = call(flow, "run", "pipeline.dot", *words, *judged, **environ)
        log = [(asked.step, asked.status, asked.rule, asked.error) for asked in twin.requests]
    assert (code, "gate: go" in said) == (0, True), f"{said}\n{log}"
    [branch] = git(flow.project, "branch", "--list", "attractor/*", "--format=%(refname)").split()
    seen = git(flow.project, "show", f"{branch}:seen")
    assert "HOME=/home/agent" in seen
    assert [word for word in hidden_in(twin) if word in seen] == []


@pytest.mark.parametrize("program", ["claude", "codex"])
def test_program_asks_is_killed_and_goes_on_in_a_container(
    tmp_path: Path, program: str, with_podman: Mapping[str, str]
) -> None:
    [one] = [one for one in PROGRAMS if one.program == program]
    one.require()
    one = one_by_one(one) if program == "codex" else one
    tell_story(tmp_path, one, program, ContainerPlace(with_podman))
