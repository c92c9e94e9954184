"""An actor asks, is killed and goes on in a place; what it made is judged and promoted here."""

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.factory.ledger.tokens import TokenStore
from attractor.factory.operator_process import Scope
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says
from tests.cli.running import run_here
from tests.cli.test_places import flow_with, ssh_settings
from tests.environments.conftest import with_podman
from tests.environments.containers import IMAGE, containers
from tests.environments.remotes import Server, ssh_server
from tests.external_agents.test_approvals import GO_ON, AskedDesk, calls
from tests.external_agents.test_backends import Outside, claude_edit
from tests.external_agents.test_external_agents import Call
from tests.patience import wait_until
from tests.pipeline.projects import git
from tests.pipeline.workspace.test_lost_place import children, text_of
from tests.worlds.desks import kill_process

__all__ = ["with_podman"]

INSIDE = """cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline
find / -xdev -type f -user 10001 -size -4096k ! -name seen -exec cat {} +"""
"""Prints the variables and command lines of all processes, and all files of the user inside."""

HOLDOUT = "Ann looks into the file"


def hidden_in(twin: ProviderTwin) -> list[str]:
    """Return the keys of models, and a sentence of the suite."""
    keys = [value for name, value in twin.environ().items() if name.endswith("_KEY")]
    assert keys
    return [*keys, HOLDOUT]


class StoryPlace(ABC):
    """The place `box` of a story, and what a person sees in it."""

    environ: Mapping[str, str]
    sign: str
    """A part of what is seen inside."""

    @abstractmethod
    def settings(self) -> str:
        """Return its lines of `attractor.toml`."""

    @abstractmethod
    def seen_inside(self) -> str:
        """Return the variables and command lines of its processes, and its files."""

    @abstractmethod
    def left(self) -> Collection[object]:
        """Return the containers or connections that are still there."""


@dataclass(frozen=True)
class ContainerPlace(StoryPlace):
    """A container of a real Podman."""

    environ: Mapping[str, str]
    sign = "HOME=/home/agent"

    def settings(self) -> str:
        return f'kind = "podman"\nimage = "{IMAGE}"\n'

    def seen_inside(self) -> str:
        [name] = self.left()
        look = ["podman", "exec", "--user", "0", name, "sh", "-c", INSIDE]
        said = subprocess.run(look, env=self.environ, capture_output=True, check=False).stdout
        return said.decode("ascii", "replace")

    def left(self) -> Collection[str]:
        return containers(self.environ)


@dataclass(frozen=True)
class SshPlace(StoryPlace):
    """This machine, by a real SSH server of which only the story knows."""

    folder: Path
    server: Server
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    sign = "SSH_CONNECTION="

    def settings(self) -> str:
        return ssh_settings(self.server, self.folder / "there")

    def seen_inside(self) -> str:
        seen = [text_of(one, name) for one in self.left() for name in ("environ", "cmdline")]
        files = [one for one in (self.folder / "there").rglob("*") if one.is_file()]
        return "".join([*seen, *(one.read_bytes().decode("ascii", "replace") for one in files)])

    def left(self) -> Collection[int]:
        found = children(int((self.folder / "sshd" / "pid").read_text()))
        for one in found:
            found += children(one)
        return found


class BoxDesk(AskedDesk):
    """A desk whose actor works in a place."""

    where = ("--place", "box")
    more: Mapping[str, str]

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, **self.more}

    def decide(self) -> None:
        """Approve the last run, and promote it."""
        secret = "d" * 64
        TokenStore(self.folder / "state").create(
            "bea", Scope.DECIDE, secret, by="bea", now=datetime.now(UTC)
        )
        environ = {**self.environ, "ATTRACTOR_TOKEN": secret}
        for words in (("decide", "latest", "--approve", "--reason", "It is made."), ("promote",)):
            done = run_here(words, folder=self.place, variables=environ)
            assert done.returncode == 0, done.stderr


def tell_story(folder: Path, one: Outside, backend: str, place: StoryPlace) -> None:
    """Let an actor ask, kill it, go on, give it another task, submit and promote its files."""
    call = calls(one, "printf made > made.txt && echo made-it")
    again = calls(one, "cat made.txt && echo read-it")
    story = (
        Rule(when=When(tool_result="read-it"), answer=says("It is made.")),
        Rule(when=When(last_user="look at it"), answer=again),
        Rule(when=When(tool_result="made-it"), answer=says("Done.")),
        Rule(when=When(last_user=GO_ON), answer=call),
        Rule(when=When(last_user="Do it"), answer=call),
    )
    flow_with(folder, place.settings())
    desk = BoxDesk(folder)
    desk.more = place.environ
    with in_background(ProviderTwin(Script(rules=story))) as desk.twin:
        try:
            desk.spawn(one, backend)
            asked = desk.await_question()
            seen = place.seen_inside()
            assert place.sign in seen
            assert [word for word in hidden_in(desk.twin) if word in seen] == []
            kill_process(desk, "one")
            wait_until(lambda: not place.left())
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
            desk.decide()
            assert git(desk.place, "show", "main:made.txt") == "made"
        finally:
            desk.do("actor", "stop", "one")
    wait_until(lambda: not place.left())


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[StoryPlace]:
    """A place of the kind that the test names."""
    if request.param == "podman":
        yield ContainerPlace(request.getfixturevalue("with_podman"))
        return
    (tmp_path / "sshd").mkdir()
    with ssh_server(tmp_path / "sshd") as server:
        yield SshPlace(tmp_path, server)


@pytest.mark.parametrize("place", ["podman", "ssh"], indirect=True)
def test_actor_in_a_place_goes_on_after_a_kill_and_is_judged_here(
    tmp_path: Path, place: StoryPlace
) -> None:
    def shell(command: str) -> Call:
        return Call("shell", {"command": command})

    own = Outside("agent", claude_edit, shell, model=MODELS["openai"])
    tell_story(tmp_path, own, "agent", place)
