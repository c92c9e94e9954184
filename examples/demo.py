"""The main job, from a wish to a promoted branch, in a new folder outside the clone.

It copies examples/todo and scenarios/todo into a fresh repository, and types there the commands of
a person, with the `attractor` of the PATH. A first run is killed in the middle and resumed, and the
gate says no-go. A second run gets the feedback, is better, is approved and promoted.

The models' answers come from a script. With --live they come from a real model, which may satisfy
the hidden scenarios in the first run, in the second, or not at all.

Exits with 0 after the promotion, with 5 if a run fails or the last verdict is a no-go, with 2 if
there is no key for --live, and otherwise with the first unexpected exit status of a command.
"""

import argparse
import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from attractor.backends.models import list_own, list_ready, newest_model
from attractor.backends.provider_needs import KEYS, provider_of
from attractor.config.load import load_configuration
from attractor.config.user_folders import user_config_file
from attractor.twins.script.script import load_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin

CLONE = Path(__file__).parents[1]
TODO = CLONE / "examples" / "todo"
PIPELINE = "pipelines/wish.dot"
SUITE = "scenarios/todo"
KILLED_AT = "implement: started"
BUDGET = ["--max-cost-usd", "2", "--max-tokens", "2000000", "--max-duration", "20m"]
FAILED = 1
USAGE = 2
NO_GO = 5
ALLOWED = "isolation_unverified"
TIME_OF_ID = 10  # characters of a run's id, which name the run as well


class Surprise(Exception):
    """A command ended with an unexpected exit status, or this machine lacks what the demo needs."""

    def __init__(self, command: str, code: int, *, why: str = "") -> None:
        super().__init__(why or f"'{command}' ended with {code}")
        self.code = code or FAILED


class NoGo(Exception):
    """No result passes the gate."""


@dataclass(frozen=True)
class LiveModel:
    """The model for all stages and the judge, and the variable with its key."""

    provider: str
    name: str
    found_by: str


@dataclass(frozen=True)
class Stage:
    """The folder, the project in it and the variables of the demo.

    `story` is the list of events so far, for the end.
    """

    folder: Path
    environ: Mapping[str, str]
    live: LiveModel | None = None
    story: list[str] = field(default_factory=list[str])

    @property
    def project(self) -> Path:
        """The repository of the to-do program."""
        return self.folder / "todo"

    def attractor(self, *words: str, expected: Collection[int] = (0,)) -> int:
        """Type a command of the program, and return its exit status."""
        return self.type(shlex.join(["attractor", *words]), expected=expected)

    def type(self, line: str, *, expected: Collection[int] = (0,)) -> int:
        """Type a line into a shell in the project, and return its exit status."""
        say(f"\n$ {line}")
        return self._run(line, expected=expected).returncode

    def ask(self, *words: str, expected: Collection[int] = (0,)) -> Any:
        """Return the JSON output of a command, without showing the command."""
        return json.loads(self.read(shlex.join(["attractor", *words, "--json"]), expected=expected))

    def read(self, line: str, *, expected: Collection[int] = (0,)) -> str:
        """Return the output of a shell line, without showing the line."""
        return self._run(line, expected=expected, stdout=subprocess.PIPE).stdout

    def create_token(self, name: str) -> str:
        """Create a token like a person, who confirms it at a terminal."""
        line = f"attractor token create {name}"
        say(f"\n$ export ATTRACTOR_TOKEN=$({line})")
        with at_a_terminal("y") as stdin:
            created = self._run(line, stdout=subprocess.PIPE, stdin=stdin)
        say("y")
        return created.stdout.strip()

    def start_and_kill(self, *words: str, at: str) -> None:
        """Start a command, and kill it with SIGKILL when it prints a word."""
        say(f"\n$ {shlex.join(['attractor', *words])}")
        command = [sys.executable, "-m", "attractor", *words]
        with subprocess.Popen(
            command, cwd=self.project, env=self.environ, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                say(line, end="")
                if at in line:
                    say(f"\n$ kill -9 {process.pid}    # from another terminal")
                    process.send_signal(signal.SIGKILL)
        if process.returncode != -signal.SIGKILL:
            raise Surprise(shlex.join(["attractor", *words]), process.returncode)

    def _run(
        self,
        line: str,
        *,
        expected: Collection[int] = (0,),
        stdout: int | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            line,
            shell=True,
            cwd=self.project,
            env=self.environ,
            stdin=stdin,
            stdout=stdout,
            text=True,
            timeout=3600,
            check=False,
        )
        if result.returncode not in expected:
            raise Surprise(line, result.returncode)
        return result


def say(words: str, *, end: str = "\n") -> None:
    """Print a text before the next command."""
    print(words, end=end, flush=True)


@contextmanager
def at_a_terminal(typed: str) -> Generator[int]:
    """Yield the standard input of a person who types a line at a terminal."""
    person, terminal = os.openpty()
    try:
        os.write(person, f"{typed}\n".encode())
        yield terminal
    finally:
        os.close(person)
        os.close(terminal)


def main() -> int:
    """Play the demo, and print where its files are."""
    parser = argparse.ArgumentParser(description="Play the demo.")
    parser.add_argument("--script", type=Path, default=TODO / "twins" / "wish.toml")
    parser.add_argument("--live", action="store_true", help="ask a real model")
    given = parser.parse_args()
    live = find_live_model(os.environ) if given.live else None
    if given.live and live is None:
        return USAGE
    with open_stage(given.script, live) as stage:
        try:
            play(stage)
        except Surprise as surprise:
            say(f"\nThe demo ended early: {surprise}. Everything is in {stage.folder}.")
            return surprise.code
        except NoGo as reason:
            say(f"\nNo-go: {reason} Nothing was promoted (exit status {NO_GO}).")
            if live:
                say("With a real model this can happen: the gate keeps such a result off main.")
            print_summary(stage)
            return NO_GO
    return 0


def find_live_model(environ: Mapping[str, str]) -> LiveModel | None:
    """Return the model of the settings, otherwise the newest one of a provider with a key."""
    folder = Path.cwd()
    settings = load_configuration(
        start=folder, cwd=folder, environ=environ, user_file=user_config_file()
    ).settings.llm
    ready = asyncio.run(list_ready(environ))
    wanted = settings.provider or provider_of(settings.model or "")
    provider = next((one for one in ready if one == wanted or not wanted), "")
    if not provider:
        asked = [wanted] if wanted in KEYS else list_own()
        *others, last = sorted(name for one in asked for name in KEYS[one])
        names = f"{', '.join(others)} or {last}" if others else last
        say("error: no API key is set for the model of a live demo:")
        say(f"set {names}, or type 'make demo', which needs none.")
        return None
    model = settings.model or newest_model(provider)
    if not model:
        say(f"error: no model of {provider} is known: set ATTRACTOR_LLM__MODEL to a name.")
        return None
    set_by = [name for name in KEYS.get(provider, ()) if environ.get(name)]
    return LiveModel(provider, model, set_by[0] if set_by else "a key")


@contextmanager
def open_stage(script: Path, live: LiveModel | None = None) -> Generator[Stage]:
    """Yield a new folder for the demo; unless it is live, a twin of all providers runs."""
    folder = Path(tempfile.mkdtemp(prefix="attractor-demo-"))
    with nullcontext() if live else in_background(ProviderTwin(load_script(script))) as twin:
        yield Stage(folder, make_environ(folder, twin.environ() if twin else {}), live)


def make_environ(folder: Path, twin: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the demo: its folders, and the twin for every provider.

    An `attractor` on the PATH takes precedence over the one beside this Python.
    """
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ATTRACTOR_") or (not twin and name.startswith("ATTRACTOR_LLM__"))
    }
    path = f"{os.environ['PATH']}{os.pathsep}{Path(sys.executable).parent}"
    return ours | dict(twin) | places(folder) | {"PATH": path, "GIT_PAGER": "cat"}


def places(folder: Path) -> dict[str, str]:
    """Return the variables that keep everything in the folder of the demo."""
    return {
        "ATTRACTOR_STATE_DIR": str(folder / "state"),
        "ATTRACTOR_WORKSPACES_DIR": str(folder),
    }


def play(stage: Stage) -> None:
    """Play all steps of the demo."""
    policy = make_project(stage)
    prepare(stage, policy)
    budget = BUDGET if stage.live else []
    run = ["run", PIPELINE, "--suite", "todo", "--profile", "demo", *sandbox_of(policy), *budget]
    person = sign_in(stage)
    if not first_run(stage, run, person):
        second_run(stage, run)
    decide_and_promote(person)
    print_summary(stage)


def sandbox_of(policy: list[str]) -> list[str]:
    """Return the option that switches the sandbox off; a policy alone never does."""
    return ["--sandbox", "none"] if policy else []


def choose_policy(stage: Stage, *, is_automatic: bool = False) -> list[str]:
    """Say which sandbox this machine has, and return the options of the profile for that.

    Runs that choose their sandbox automatically take one without ports, where no suite with a
    service can judge them.
    """
    findings = {one["subject"]: one for one in stage.ask("doctor")["findings"]}
    sandbox = findings["ports"]
    if sandbox["standing"] == "ok":
        say(f"Agents and candidates run in a sandbox: {sandbox['found']}.")
        return []
    if is_automatic and findings["landlock"]["standing"] == "ok":
        raise Surprise("attractor doctor", USAGE, why=f"{sandbox['found']}; {sandbox['remedy']}")
    say(f"No full sandbox here, as the profile 'demo' allows ({ALLOWED}):")
    say(f"agents run with your rights, as {sandbox['found']}. Remedy: {sandbox['remedy']}.")
    return ["--allow", ALLOWED]


def make_project(stage: Stage, *, is_automatic: bool = False) -> list[str]:
    """Create the repository, and choose the policy that this machine allows."""
    shutil.copytree(TODO, stage.project)
    for one in (SUITE, "scenarios/_twins"):
        shutil.copytree(CLONE / one, stage.project / one)
    policy = choose_policy(stage, is_automatic=is_automatic)
    if stage.live:
        ask_only(stage.live, stage.project)
        say(f"Live: all stages and the judge ask {stage.live.name} of {stage.live.provider}")
        say(f"({stage.live.found_by} is set; ATTRACTOR_LLM__MODEL chooses another model).")
        say("Budget: each of at most two runs stops at 2 USD, 2,000,000 tokens or 20 minutes;")
        say("the judge of the hidden scenarios asks two short questions a run besides.")
    else:
        say("The models' words come from a script, the rest is real; costs are list prices.")
    say(f"\n# A small program in a new repository:\n# {stage.project}")
    stage.type("git init --quiet --initial-branch main")
    stage.type("git config user.name You && git config user.email you@localhost")
    stage.type("git add --all && git commit --quiet --message 'A small to-do list'")
    say("\n# The wish: `list --open` shows only the open tasks. It fails today:")
    stage.type("python3 todo.py list --open", expected=(USAGE,))
    return policy


def ask_only(model: LiveModel, project: Path) -> None:
    """Let all stages of the pipeline, and the judge of the suite, ask one model."""
    for file in (project / PIPELINE, project / SUITE / "suite.toml"):
        text = re.sub(r'(provider ?= ?)"[^"]+"', rf'\1"{model.provider}"', file.read_text("utf-8"))
        file.write_text(re.sub(r'(model ?= ?)"[^"]+"', rf'\1"{model.name}"', text), "utf-8")


def prepare(stage: Stage, policy: list[str]) -> None:
    """Check and register the pipeline, create a profile, and seal the hidden scenarios."""
    say("\n# Check the pipeline, and choose a policy for its runs")
    stage.attractor("validate", PIPELINE)
    stage.attractor("profile", "create", "demo", *policy)
    stage.attractor("pipeline", "register", PIPELINE)
    say("\n# Seal the hidden scenarios, after trials that show whether they can judge")
    stage.attractor("suite", "register", SUITE, *sandbox_of(policy))
    stage.type("git add scenarios && git commit --quiet --message 'Seal the suite'")
    stage.story.append("The hidden scenarios were sealed first; no agent's workspace has them.")


def first_run(stage: Stage, run: list[str], person: Stage) -> bool:
    """Run, kill, resume; return whether the gate says go, and try to approve a no-go."""
    say("\n# Run it: plan, implement, test, repair, try, review. Kill it in the middle")
    stage.start_and_kill(*run, at=KILLED_AT)
    say("\n# Resume it: the stage that was killed is repeated, the one before is not")
    stage.story.append("Run 1 was killed with kill -9, and resumed.")
    walk(stage, "resume", "latest")
    if "repair" in [one["node"] for one in stage.ask("status", "latest", "--stages")["stages"]]:
        stage.story[-1] += " A failed test was repaired."
    say("\n# What the hidden scenarios found, for a person and never for an agent")
    if stage.attractor("gate", "latest", "--operator", expected=(0, NO_GO)) == 0:
        stage.story.append("Its tests and its hidden scenarios passed: go, at the first try.")
        return True
    say("\n# Nobody can approve a no-go")
    reason = "It works for me, and we are in a hurry."
    person.attractor("decide", "latest", "--approve", "--reason", reason, expected=(NO_GO,))
    stage.story.append("Its hidden scenarios did not pass: no-go; an approval was refused.")
    return False


def second_run(stage: Stage, run: list[str]) -> None:
    """Run again with the feedback of the gate."""
    say("\n# Run again with the verdict as feedback: rules, tags and counts, no scenario")
    walk(stage, *run, "--feedback", "latest")
    if not stage.ask("gate", "latest", expected=(0, NO_GO))["go"]:
        stage.attractor("gate", "latest", expected=(NO_GO,))
        stage.story.append("Run 2 got the verdict as feedback, and is a no-go as well.")
        raise NoGo("the second run does not satisfy the hidden scenarios, for the reasons above.")
    stage.story.append("Run 2 got rules, tags and counts as feedback; all trials passed: go.")


def walk(stage: Stage, *words: str) -> None:
    """Run or resume until the run ends."""
    if stage.attractor(*words, expected=(0, FAILED)) == FAILED:
        stage.story.append("A run failed, so there is no result to judge.")
        raise NoGo("the run failed for the reason above; there is no result.")


def sign_in(stage: Stage) -> Stage:
    """Return the stage of the person who decides, with a token made at a terminal."""
    say("\n# In another terminal, the person who decides makes a token")
    token = stage.create_token("demo")
    return replace(stage, environ={**stage.environ, "ATTRACTOR_TOKEN": token})


def decide_and_promote(person: Stage) -> None:
    """Approve, move the branch, use the program and verify all records."""
    say("\n# Go. The person looks at everything, approves with a reason, and promotes")
    person.attractor("decide", "latest")
    reason = "All hidden scenarios pass."
    person.attractor("decide", "latest", "--approve", "--reason", reason)
    person.attractor("promote", "latest", "--to", "main")
    say("\n# The wish is a commit on main, and the program has it")
    person.type("git log --oneline main")
    todo = "python3 todo.py"
    person.type(f"{todo} add write; {todo} add test; {todo} done 1; {todo} list --open")
    person.attractor("audit", "verify")
    person.story.append(
        "A person approved it; the wish is a commit on main, and all records verify."
    )


def print_summary(stage: Stage) -> None:
    """Print the events, the files and the next commands to try, in ten lines."""
    drawing, report, program = (
        stage.folder / name for name in ("run.svg", "run.html", "attractor")
    )
    say("\n# Draw the run, and write its report")
    stage.attractor("render", "latest", "--output", str(drawing))
    stage.attractor("report", "latest", "--html", str(report))
    write_program(program, stage)
    first = stage.ask("runs")[-1]["run_id"][:TIME_OF_ID]
    say("")
    said = [*stage.story, f"Graph of the last run: {drawing}", f"Report of it: {report}"]
    for number, line in enumerate(said, 1):
        say(f" {number}. {line}")
    say(f"Try: {program} diagnose {first}    # the first run")
    say(f"Try: {program} logs latest --stage implement")
    say(f"Try: {program} serve    # runs in a browser")


def write_program(file: Path, stage: Stage) -> None:
    """Write a program that runs `attractor` in the project of the demo, from any folder."""
    variables = shlex.join(f"{name}={value}" for name, value in places(stage.folder).items())
    project, program = (
        shlex.quote(str(one)) for one in (stage.project, Path(sys.executable).parent / "attractor")
    )
    file.write_text(f'#!/bin/sh\ncd {project} && exec env {variables} {program} "$@"\n')
    file.chmod(0o755)


if __name__ == "__main__":
    sys.exit(main())
