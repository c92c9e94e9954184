"""An actor asks, is killed and goes on in a container; what it made is judged on this machine."""

import subprocess
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest

from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says
from tests.cli.test_places import flow_with
from tests.environments.containers import IMAGE, containers, podman
from tests.external_agents.test_approvals import GO_ON, AskedDesk, calls
from tests.external_agents.test_backends import Outside, claude_edit
from tests.external_agents.test_external_agents import Call
from tests.patience import wait_until
from tests.worlds.desks import kill_process

INSIDE = """cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline
find / -xdev -type f -user 10001 -size -4096k ! -name seen -exec cat {} +"""
"""Prints the variables and command lines of all processes, and all files of the user inside."""

HOLDOUT = "Ann looks into the file"


def hidden_in(twin: ProviderTwin) -> list[str]:
    """Return the keys of models, and a sentence of the suite."""
    keys = [value for name, value in twin.environ().items() if name.endswith("_KEY")]
    assert keys
    return [*keys, HOLDOUT]


class BoxDesk(AskedDesk):
    """A desk whose actor works in containers."""

    where = ("--place", "box")
    podman: Mapping[str, str]

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, **self.podman}

    def seen_inside(self) -> str:
        [name] = containers(self.podman)
        look = ["podman", "exec", "--user", "0", name, "sh", "-c", INSIDE]
        said = subprocess.run(look, env=self.podman, capture_output=True, check=False).stdout
        return said.decode("ascii", "replace")


def tell_story(folder: Path, one: Outside, backend: str, environ: Mapping[str, str]) -> None:
    """Let an actor ask, kill it, go on, give it another task, and submit its files."""
    call = calls(one, "printf made > made.txt && echo made-it")
    again = calls(one, "cat made.txt && echo read-it")
    story = (
        Rule(when=When(tool_result="read-it"), answer=says("It is made.")),
        Rule(when=When(last_user="look at it"), answer=again),
        Rule(when=When(tool_result="made-it"), answer=says("Done.")),
        Rule(when=When(last_user=GO_ON), answer=call),
        Rule(when=When(last_user="Do it"), answer=call),
    )
    flow_with(folder, f'kind = "podman"\nimage = "{IMAGE}"\n')
    desk = BoxDesk(folder)
    desk.podman = environ
    with in_background(ProviderTwin(Script(rules=story))) as desk.twin:
        try:
            desk.spawn(one, backend)
            asked = desk.await_question()
            seen = desk.seen_inside()
            assert "HOME=/home/agent" in seen
            assert [word for word in hidden_in(desk.twin) if word in seen] == []
            kill_process(desk, "one")
            wait_until(lambda: containers(environ) == [])
            assert desk.await_question() == asked
            desk.say("allow")
            desk.do("up", "--once")
            assert desk.done() == "Done."
            desk.do("message", "send", "one", "look at it")
            desk.await_question()
            desk.say("allow")
            wait_until(lambda: "It is made." in desk.do("message", "list", "one", "--json").stdout)
            submitted = desk.do(
                "dimension", "submit", "one", "--suite", "todo", "--profile", "lenient"
            )
            assert "gate: go" in submitted.stdout + submitted.stderr, submitted
        finally:
            desk.do("actor", "stop", "one")
    wait_until(lambda: containers(environ) == [])


@pytest.fixture(scope="module")
def with_podman(tmp_path_factory: pytest.TempPathFactory) -> Generator[Mapping[str, str]]:
    with podman(tmp_path_factory.mktemp("podman")) as environ:
        yield environ


def test_actor_in_a_container_goes_on_after_a_kill_and_is_judged_here(
    tmp_path: Path, with_podman: Mapping[str, str]
) -> None:
    def shell(command: str) -> Call:
        return Call("shell", {"command": command})

    own = Outside("agent", claude_edit, shell, model=MODELS["openai"])
    tell_story(tmp_path, own, "agent", with_podman)
