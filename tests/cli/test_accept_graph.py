"""A run is resumed with a changed pipeline, and with secrets, on the command line."""

import getpass
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.plain_desk import PlainDesk

GATE = """digraph gate {
    start [shape=Mdiamond]; exit [shape=Msquare]
    ask  [shape=hexagon, label="Go on?"]
    last [shape=parallelogram, tool_command="true"]
    start -> ask
    ask -> last [label="[Y] Yes"]
    ask -> exit [label="[N] No"]
    last -> exit
}
"""
MORE = GATE.replace(
    "last -> exit", 'more [shape=parallelogram, tool_command="true"]; last -> more -> exit'
)
SECRET = GATE.replace("gate {", 'gate { inputs="token:secret"').replace(
    'tool_command="true"', 'secrets="token", tool_command="echo $ATTRACTOR_INPUT_TOKEN"'
)
OWN = "hush-hush-hush"


@dataclass
class DeskWithSecret(PlainDesk):
    """A desk with a secret in a variable."""

    @property
    def environ(self) -> Mapping[str, str]:
        return {**super().environ, "HIDDEN": OWN}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskWithSecret]:
    desk = DeskWithSecret(tmp_path)
    yield desk
    desk.end()


def test_changed_graph_is_refused_until_accepted(desk: DeskWithSecret) -> None:
    desk.write(GATE)
    assert desk.run("--interviewer", "park").returncode == 3
    desk.write(MORE)
    refused = desk.do("resume", "latest", "--interviewer", "park")
    assert refused.returncode == 4
    assert "--accept-graph" in refused.stderr
    accepted = desk.do("resume", "latest", "--accept-graph", "--interviewer", "park")
    assert accepted.returncode == 3, accepted.stderr
    assert f"{getpass.getuser()} accepts the change" in accepted.stderr
    assert "  + more (tool)" in accepted.stderr
    assert "pipeline gate@2 (" in desk.do("pipeline", "list").stdout
    [event] = desk.events("GraphAccepted")
    assert event["data"]["by"] == getpass.getuser()
    again = desk.do("resume", "latest", "--interviewer", "auto_approve", "--no-evaluate")
    assert again.returncode == 0, again.stderr
    assert [one["node"] for one in desk.events("StageStarted")][-1] == "more"


def test_secrets_are_passed_again_on_resume_and_fork(desk: DeskWithSecret) -> None:
    desk.write(SECRET)
    given = ("--input", "token=@env:HIDDEN")
    assert desk.run("--interviewer", "park", *given).returncode == 3
    to_the_end = ("--interviewer", "auto_approve", "--no-evaluate")
    for command in (("resume", "latest"), ("fork", "latest", "ask"), ("rewind", "latest", "ask")):
        lacking = desk.do(*command, *to_the_end)
        assert lacking.returncode == 2
        assert "the input token contains a secret and was not stored" in lacking.stderr
    forked = desk.do("fork", "latest", "ask", *given, *to_the_end, "--json")
    assert forked.returncode == 0, forked.stderr
    result = json.loads(forked.stdout.splitlines()[-1])
    printed = desk.folder / "runs" / result["run_id"] / "last" / "stdout.txt"
    assert printed.read_text() == "***\n"
    wrong = desk.do("resume", "latest", "--input", "tokn=x")
    assert wrong.returncode in (2, 4)
