"""Projects with missions, whose agents are shell scripts that read what they are asked."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attractor.base.errors import AttractorError
from attractor.base.locks import FileLock, holder_of
from attractor.factory.ledger.ledger import Ledger, LedgerEntry, LineKind
from attractor.factory.ledger.tokens import TokenStore
from attractor.factory.open_project import open_project
from attractor.factory.operator_process import Scope
from attractor.factory.resources.profiles import make_profile
from tests.cli.git_desk import GitDesk
from tests.cli.running import run_here
from tests.external_agents.test_approvals import TOKEN
from tests.factory.flows import HOLDOUT
from tests.factory.resources.stores import register
from tests.patience import wait_until
from tests.pipeline.projects import git
from tests.scenarios.suites import SUITE, write_suite

NAME = "greet-and-part"
BRANCH = f"attractor/mission/{NAME}"
SETTINGS = '[backends.command]\nrun = "bash agent.sh"\nprovider = "anthropic"\n'
PLAN = """
[[requirement]]
id = "greet"
sentence = "It greets."
[[requirement]]
id = "part"
sentence = "It parts."

[[task]]
id = "hello"
what = "Write hello.txt"
requirements = ["greet"]
touches = ["hello.txt"]
check = "grep -q hello hello.txt"

[[task]]
id = "bye"
what = "Write bye.txt"
requirements = ["part"]
touches = ["bye.txt"]
check = "grep -q bye bye.txt"

[[task]]
id = "both"
what = "Write both.txt"
touches = ["both.txt"]
needs = ["hello", "bye"]
check = "cmp both.txt - <<END\\nhello\\nbye\\nEND"
"""
TRAIN = """
id = "holds"
title = "It holds"
story = "Ann looks."
[[steps]]
name = "look"
run = '{run}'
[[checks]]
kind = "exit"
step = "look"
"""
AGENT = """asked=$(cat)
printf '%s\\n' "$asked" >> ASKED
case $asked in
  *"You plan the work of others"*) cat > plan.toml <<'PLAN'
PLAN_TEXT
PLAN
  ;;
  *"Write hello.txt"*) HELLO ;;
  *"Write bye.txt"*) echo bye > bye.txt ;;
  *"Write both.txt"*) cat hello.txt bye.txt > both.txt ;;
esac
echo '{"outcome": "success"}' > $ATTRACTOR_STATUS_FILE
"""


@dataclass
class MissionDesk(GitDesk):
    """A project with missions, of which tests look at one."""

    name: str = NAME

    @property
    def environ(self) -> Mapping[str, str]:  # type: ignore[override]
        return {**super().environ, "ANTHROPIC_API_KEY": "sk-of-the-test"}

    @property
    def asked(self) -> Path:
        """All that agents were asked."""
        return self.folder / "asked"

    def begin_project(self, plan: str = PLAN, hello: str = "echo hello > hello.txt") -> None:
        agent = AGENT.replace("PLAN_TEXT", plan).replace("HELLO", hello)
        agent = agent.replace("ASKED", str(self.asked))
        self.make(
            "digraph g { a [shape=Mdiamond]; b [shape=Msquare]; a -> b }",
            **{"agent.sh": agent, "attractor.toml": SETTINGS},
        )

    def register_suite(self, wanted: str = "hello", gate: str = "", train: str = "") -> None:
        """Register a suite whose holdout reads hello.txt, and a profile for no sandbox.

        `train` is the command of a train scenario, whose exit status must be 0.
        """
        opened = open_project(self.project, self.environ)
        look = HOLDOUT.format(wanted=wanted).replace("cat made.txt", "cat hello.txt")
        suite = SUITE.replace('"linear"', '"*"') + f"\n[gate]\n{gate}\n"
        folder = write_suite(self.folder / "suite", suite=suite, made=look)
        if train:
            (folder / "train").mkdir()
            (folder / "train" / "holds.scenario.toml").write_text(TRAIN.format(run=train))
        register(opened.suites, folder, now=opened.now())
        profile = make_profile("lenient", ("isolation_unverified",))
        opened.profiles.create(profile, by="ann", now=opened.now())
        sealed = opened.suite(opened.pin_suite("todo"))
        assert sealed
        (self.folder / "canary").write_text(sealed.canary)

    def start(self, *more: str) -> Any:
        words = ("mission", "start", "Greet and part", "--with", "command", "--sandbox", "none")
        done = self.do(*words, *more, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def wait(self) -> Any:
        done = self.do("mission", "show", self.name, "--wait", "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    @property
    def mission(self) -> Path:
        [place] = self.state.glob(f"projects/*/missions/{self.name}")
        return place

    def journal(self) -> Sequence[Any]:
        return [
            json.loads(one) for one in (self.mission / "journal.jsonl").read_text().splitlines()
        ]

    def lines(self, kind: LineKind) -> list[LedgerEntry]:
        return [one for one in Ledger(self.state).entries() if one.kind == kind]

    def landed(self) -> list[LedgerEntry]:
        return self.lines(LineKind.MISSION_LANDED)

    def rules(self, run: str) -> list[str]:
        """Return the rules of the gate that a run fails."""
        found = json.loads(self.do("gate", run, "--json").stdout)
        return [one["rule"] for one in found["reasons"]]

    def show(self, path: str) -> str:
        return git(self.project, "show", f"{BRANCH}:{path}")

    def is_working(self) -> bool:
        return FileLock.is_held(self.mission / "lock")

    def decide(self, *words: str, expected: int = 0) -> str:
        """Give a command with the token of a person, and return what it says about a mistake."""
        opened = open_project(self.project, self.environ)
        with suppress(AttractorError):
            tokens = TokenStore(self.state)
            tokens.create("ann", Scope.DECIDE, TOKEN, by="ann", now=opened.now())
        variables = {**self.environ, "ATTRACTOR_TOKEN": TOKEN}
        done = run_here(words, folder=self.place, variables=variables)
        assert done.returncode == expected, done.stderr
        return done.stderr

    def kill(self) -> None:
        """Kill the process of the mission, and those of its runs."""
        for lock in [self.mission / "lock", *self.mission.glob("*.lock")]:
            if FileLock.is_held(lock) and (holder := holder_of(lock)):
                with suppress(ProcessLookupError):
                    os.kill(holder.pid, signal.SIGKILL)
        locks = [self.mission / "lock", *self.mission.glob("*.lock")]
        wait_until(lambda: not any(map(FileLock.is_held, locks)))
