"""Every command in the runbooks, and in some how-tos, works in the situation of its page."""

import os
import subprocess
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import examples
from tests.examples import HOW_TO, RUNBOOKS, SITUATED
from tests.patience import PATIENCE_S
from tests.prepared import begin_prepared, plain

OVER_HTTP = HOW_TO / "run-over-http.md"  # tests/server/test_examples.py
OTHERS = [one for one in SITUATED if one != OVER_HTTP]
# tests/growth/deployment/test_runbooks.py, tests/spec/test_G14_divergence.py
NAMES_OF_APPS = (
    *("a-killed-deployment", "roll-back-an-app", "an-edited-app", "unanswered-feedback"),
    *("an-app-that-is-down", "plans-that-collide", "records-that-do-not-fit"),
)
OF_APPS = [RUNBOOKS / f"{name}.md" for name in NAMES_OF_APPS]
# tests/fleet/test_runbooks.py
OF_FLEET = [
    RUNBOOKS / f"a-{name}.md"
    for name in (
        *("lost-worker", "frozen-worker", "database-that-is-away", "store-that-is-away"),
        *("missing-blob", "server-that-is-away", "poisoned-run"),
    )
]
# Last: its run has another name than those of the other pages, and waits for a person.
FLAKY = RUNBOOKS / "a-flaky-scenario.md"
PAGES = [*OTHERS, *sorted({*RUNBOOKS.glob("*.md")} - {*OF_APPS, *OF_FLEET, FLAKY}), FLAKY]

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
SEND = """
digraph send {{
  start [shape=Mdiamond]
  exit [shape=Msquare]
  send [shape=parallelogram, tool_command="sleep 60", if_interrupted="ask"]
  after [shape=parallelogram, tool_command="echo sent"]
  start -> send -> after -> exit
}}
"""
# Preparation of each page: a run that is killed in a stage, or commands.
KILLED = {
    "resume-after-a-crash": ("slow.dot", "make"),
    "a-stuck-run": ("slow.dot", "make"),
    "stop-and-resume": ("send.dot", "send"),
}
BAD = "attractor run worse.dot --suite greet --profile careful"
GOOD = "attractor run greet.dot --suite greet --profile careful"
TYPED = {
    "a-blocked-gate": BAD,
    "a-broken-chain": "attractor run greet.dot",
    "a-flaky-scenario": "attractor run luck.dot --suite luck --profile careful",
    "a-stuck-queue": f"""
        {GOOD}
        attractor decide latest --approve --reason "It was right at the time."
        attractor promote latest --queue
    """,
    "a-wrong-go": f"""
        {GOOD}
        attractor decide latest --approve --reason "It was right at the time."
    """,
    "approve-reject-amend": GOOD,
    "decide-and-promote": BAD,
    "free-space": "attractor run fails.dot || true",
    "queue-promotions": f"""
        {GOOD}
        attractor decide latest --approve --reason "It was right at the time."
    """,
    "roll-back": f"""
        {GOOD}
        attractor decide latest --approve --reason "It was right at the time."
        attractor promote latest
    """,
    "watch-a-run": GOOD,
    "watch-in-a-browser": GOOD,
}


@dataclass
class Project:
    """A repository with pipelines, suites and a profile, and the variables of its user."""

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
        """Run the commands of a fence, and return the output of each."""
        return examples.outputs(text, self.folder, self.environ)

    def run_killed(self, pipeline: str, node: str = "make") -> None:
        """Start a run, and kill it while its stage works."""
        environ = plain({**os.environ, **self.environ})
        process = begin_prepared(
            ["run", pipeline], folder=self.folder, variables=environ, stderr=subprocess.PIPE
        )
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                if f"{node}: started" in line:
                    process.kill()
        process.wait(PATIENCE_S)

    def make_token(self) -> str:
        """Create a token as a person does at a terminal."""
        person, terminal = os.openpty()
        os.write(person, b"y\n")
        token, _ = begin_prepared(
            ["token", "create", "you"],
            folder=self.folder,
            variables=plain({**os.environ, **self.environ}),
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ).communicate(timeout=PATIENCE_S)
        os.close(person)
        os.close(terminal)
        return token.strip()

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
        "fails": "exit 1",
        "slow": "sleep 1; echo hello > greeting.txt",
        "luck": "echo 'od -An -N1 -tu1 /dev/urandom' > luck.sh",
    }
    for name, command in stages.items():
        home.write(f"{name}.dot", GRAPH, name="greet" if name != "luck" else name, command=command)
    home.write("send.dot", SEND)
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
    """Prepare the situation that a page describes."""
    project.sh("git restore .")  # a page may have changed a pipeline
    if page in KILLED:
        project.run_killed(*KILLED[page])
    project.sh(TYPED.get(page, ""))
    if page == "a-broken-chain":
        project.damage()


@pytest.mark.parametrize("page", PAGES, ids=lambda one: one.stem)
def test_every_command_of_a_page_works(page: Path, project: Project) -> None:
    given(page.stem, project)
    examples.play(page, project.folder, project.environ)
