"""Every command in the runbooks works in the situation that its page describes."""

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import examples
from tests.examples import RUNBOOKS, fences

GRAPH = """
digraph {name} {{
  start [shape=Mdiamond]
  exit [shape=Msquare]
  make [shape=parallelogram, tool_command="{command}"]
  start -> make -> exit
}}
"""
SUITE = """
name = "{name}"
pipeline = "{pipeline}"
trials.n = {trials}
trials.concurrency = 2
"""
SCENARIO = """
id = "{id}"
title = "{id}"
story = "Ann tries {id}."

[[steps]]
name = "look"
run = "{command}"

[[checks]]
kind = "stdout"
step = "look"
equals = "{output}"
"""
GIT = "git -c user.name=you -c user.email=you@localhost"


@dataclass
class Project:
    """A repository with pipelines, suites and a profile, and the person who works there."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict[str, str])

    def write(self, path: str, text: str, **values: object) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(**values).lstrip())

    def sh(self, commands: str) -> None:
        """Run commands as a person would."""
        for command in textwrap.dedent(commands).strip().splitlines():
            self.outputs(f"$ {command}\n")

    def outputs(self, text: str) -> list[str]:
        """Run the commands of a fence, and return what each printed."""
        return examples.outputs(text, self.folder, self.environ)

    def run_killed(self) -> None:
        """Start a run, and kill it while its stage works."""
        environ = {**os.environ, **self.environ}
        command = [sys.executable, "-m", "attractor", "run", "slow.dot"]
        with subprocess.Popen(
            command, cwd=self.folder, env=environ, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "make: started" in line:
                    process.send_signal(signal.SIGKILL)

    def make_token(self) -> str:
        """Create a token as a person does at a terminal."""
        person, terminal = os.openpty()
        os.write(person, b"y\n")
        command = [sys.executable, "-m", "attractor", "token", "create", "you"]
        environ = {**os.environ, **self.environ}
        token = subprocess.check_output(
            command, cwd=self.folder, env=environ, stdin=terminal, stderr=subprocess.DEVNULL
        )
        os.close(person)
        os.close(terminal)
        return token.decode().strip()

    def damage(self) -> None:
        """Change a byte in the journal of the newest run."""
        events = max((self.folder / "runs").glob("*/events.jsonl"), key=lambda one: one.parent.name)
        (self.folder / "damaged").write_text(events.parent.name)
        (self.folder / "events.backup").write_bytes(events.read_bytes())
        events.write_bytes(events.read_bytes().replace(b"make", b"fake", 1))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Make the project once; each page starts runs of its own."""
    outside = tmp_path_factory.mktemp("home")
    home = Project(outside / "project", {"HOME": str(outside)})
    stages = {
        "greet": "echo hello > greeting.txt",
        "better": "echo hello > greeting.txt",
        "worse": "echo good-bye > greeting.txt",
        "slow": "sleep 3; echo hello > greeting.txt",
        "luck": "echo 'od -An -N1 -tu1 /dev/urandom' > luck.sh",
    }
    for name, command in stages.items():
        home.write(f"{name}.dot", GRAPH, name="greet" if name != "luck" else name, command=command)
    home.write("scenarios/greet/suite.toml", SUITE, name="greet", pipeline="greet", trials=1)
    home.write("scenarios/luck/suite.toml", SUITE, name="luck", pipeline="luck", trials=5)
    for split, id_, command, output in (
        ("train", "there", "ls greeting.txt", "greeting.txt"),
        ("holdout", "words", "cat greeting.txt", "hello"),
        ("holdout", "lines", "wc -l < greeting.txt", "1"),
        ("drafts", "letters", "head -c 1 greeting.txt", "h"),
        ("drafts", "size", "wc -c < greeting.txt", "6"),
    ):
        folder = split if split == "drafts" else f"scenarios/greet/{split}"
        name = f"{folder}/{id_}.scenario.toml"
        home.write(name, SCENARIO, id=id_, command=command, output=output)
    home.write(
        "scenarios/luck/holdout/even.scenario.toml",
        SCENARIO,
        id="even",
        command="echo $(( $(sh luck.sh) % 8 ))",
        output="0",
    )
    home.sh("""
        git init --quiet --initial-branch main . && git config user.name you
        git config user.email you@localhost
        git add --all && git commit --quiet --message "A project"
        attractor profile create careful
        attractor suite register scenarios/greet
        attractor suite register scenarios/luck
    """)
    home.environ["ATTRACTOR_TOKEN"] = home.make_token()
    return home


def given(page: str, project: Project) -> None:
    """Make the situation that a page describes."""
    match page:
        case "resume-after-a-crash" | "a-stuck-run":
            project.run_killed()
        case "a-blocked-gate":
            project.sh("attractor run worse.dot --suite greet --profile careful")
        case "approve-reject-amend":
            project.sh("attractor run greet.dot --suite greet --profile careful")
        case "a-broken-chain":
            project.sh("attractor run greet.dot")
            project.damage()
        case "a-flaky-scenario":
            project.sh("attractor run luck.dot --suite luck --profile careful")
        case "roll-back":
            project.sh("""
                attractor run greet.dot --suite greet --profile careful
                attractor decide --approve --rationale "It was right at the time."
                attractor promote latest
            """)
        case _:
            pass


@pytest.mark.parametrize("page", sorted(one.stem for one in RUNBOOKS.glob("*.md")))
def test_every_command_of_a_runbook_works(page: str, project: Project) -> None:
    given(page, project)
    for fence in fences("console"):
        if fence.page == RUNBOOKS / f"{page}.md":
            wanted = examples.steps(fence.text)
            printed = project.outputs(fence.text)
            for (command, expected), output in zip(wanted, printed, strict=True):
                assert not expected or examples.matches(expected, output), (command, output)
