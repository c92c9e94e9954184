"""The main job, from a wish to a promoted branch, offline: the models' words come from a script.

It copies examples/todo and scenarios/ into a fresh repository outside the clone and does there,
with the `attractor` of the PATH, what a person would do. A first run is killed in the middle and
resumed, and the gate says no-go; a second run gets the feedback, is better, is approved and
promoted. Ends with 0, with 5 when a run fails or the second is a no-go too, or with the first other
exit code that is not the expected one.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from attractor.twins.script.script import load_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin

TODO = Path(__file__).parent / "todo"
SUITES = Path(__file__).parents[1] / "scenarios"
PIPELINE = "pipelines/wish.dot"
KILLED_AT = "implement: started"
ENDING = """
Done. A wish became a commit on main:
  1. The hidden scenarios were sealed before the first run; no agent can read them.
  2. The first run was killed with kill -9 in the middle, and went on where it was.
  3. Its tests passed, and two hidden scenarios did not: no-go, and an approval was refused.
  4. The second run got rule names, tags and counts as feedback, and passed all trials.
  5. A person approved it with a reason, and main was moved. Every record verifies.
The drawing  {folder}/wish.svg
The program  {project}
The records  {project}/runs and {folder}/state
Try there, with ATTRACTOR_STATE_DIR={folder}/state:
  attractor history
  attractor status latest
  attractor logs latest --stage implement"""
GIT_IDENTITY = ["-c", "user.name=You", "-c", "user.email=you@localhost"]
FAILED = 1
NO_GO = 5


class Surprise(Exception):
    """A command ended with an unexpected exit status."""

    def __init__(self, command: list[str], code: int) -> None:
        super().__init__(f"'{' '.join(command)}' ended with {code}")
        self.code = code or FAILED


class RunFailed(Exception):
    """A run failed: there is nothing to judge, and the result is a no-go."""


@dataclass(frozen=True)
class Stage:
    """The folder, the project in it and the variables in which everything happens."""

    folder: Path
    environ: Mapping[str, str]

    @property
    def project(self) -> Path:
        """The repository of the to-do program."""
        return self.folder / "todo"

    def attractor(
        self, *words: str, expected: int = 0, quiet: bool = False, typed: str = ""
    ) -> str:
        """Run a command as a person would, at a terminal if something is typed.

        Return what it printed.
        """
        if not quiet:
            print(f"\n$ attractor {' '.join(words)}", flush=True)
        command = ["attractor", *words]
        with at_a_terminal(typed) if typed else nullcontext(subprocess.DEVNULL) as stdin:
            result = self._run(command, stdout=subprocess.PIPE, stdin=stdin)
        if not quiet:
            print(result.stdout, end="", flush=True)
        if result.returncode != expected:
            raise Surprise(["attractor", *words], result.returncode)
        return result.stdout

    def shell(self, *words: str) -> str:
        """Run another program in the project, and return what it printed."""
        result = self._run([*words], stdout=subprocess.PIPE)
        if result.returncode != 0:
            raise Surprise([*words], result.returncode)
        return result.stdout

    def start_and_kill(self, *words: str, at: str) -> None:
        """Start a command, and kill it with SIGKILL when it prints a word."""
        print(f"\n$ attractor {' '.join(words)}", flush=True)
        command = [sys.executable, "-m", "attractor", *words]
        with subprocess.Popen(
            command, cwd=self.project, env=self.environ, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                print(line, end="", flush=True)
                if at in line:
                    process.send_signal(signal.SIGKILL)
        if process.returncode != -signal.SIGKILL:
            raise Surprise(["attractor", *words], process.returncode)
        print("(killed with kill -9)", flush=True)

    def _run(
        self, command: list[str], *, stdout: int, stdin: int = subprocess.DEVNULL
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.project,
            env=self.environ,
            stdin=stdin,
            stdout=stdout,
            text=True,
            timeout=120,
            check=False,
        )


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
    with open_stage(read_arguments()) as stage:
        try:
            play(stage)
        except Surprise as surprise:
            print(f"\nThe demo ended early: {surprise}. Everything is in {stage.folder}.")
            return surprise.code
        except RunFailed:
            print("\nNo-go: the run failed for the reason above; there is no result.")
            print(f"Everything is in {stage.folder}.")
            return NO_GO
    return 0


@contextmanager
def open_stage(script: Path) -> Generator[Stage]:
    """Yield a new folder for the demo, while a twin of all providers runs."""
    folder = Path(tempfile.mkdtemp(prefix="attractor-demo-"))
    with in_background(ProviderTwin(load_script(script))) as twin:
        yield Stage(folder, make_environ(folder, twin.environ()))


def read_arguments() -> Path:
    """Return the script that the models' words come from."""
    parser = argparse.ArgumentParser(description="Play the demo.")
    parser.add_argument("--script", type=Path, default=TODO / "twins" / "wish.toml")
    return parser.parse_args().script


def make_environ(folder: Path, twin: Mapping[str, str]) -> dict[str, str]:
    """Return variables of the demo's own: its folders, and the twin for every provider.

    An `attractor` on the PATH comes before the one beside this Python.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ATTRACTOR_")}
    places = {"ATTRACTOR_STATE_DIR": folder / "state", "ATTRACTOR_WORKSPACES_DIR": folder}
    path = f"{os.environ['PATH']}{os.pathsep}{Path(sys.executable).parent}"
    return ours | dict(twin) | {name: str(place) for name, place in places.items()} | {"PATH": path}


def play(stage: Stage) -> None:
    """Play all steps of the demo."""
    policy = make_project(stage)
    prepare(stage, policy)
    # The sandbox is also switched off explicitly: tools never run without one by mistake.
    no_sandbox = ["--sandbox", "none"] if policy else []
    run = ["run", PIPELINE, "--suite", "todo", "--profile", "demo", *no_sandbox]
    person = sign_in(stage)
    first_run(stage, run)
    try_to_approve(person)
    second_run(stage, run)
    decide_and_promote(person)
    print(ENDING.format(folder=stage.folder, project=stage.project))


def make_project(stage: Stage) -> list[str]:
    """Create the repository, and choose the policy that this machine allows."""
    shutil.copytree(TODO, stage.project)
    shutil.copytree(SUITES, stage.project / "scenarios")
    for words in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "A small to-do list"],
    ):
        stage.shell("git", *GIT_IDENTITY, *words)
    told = json.loads(stage.attractor("doctor", "--json", quiet=True))
    standing = {one["subject"]: one["standing"] for one in told["findings"]}
    if standing["bubblewrap"] == "ok":
        print("Agents and candidates run in a bubblewrap sandbox.")
        return []
    print("No sandbox is available: agents run without one, as the profile allows.")
    return ["--allow", "isolation_unverified"]


def prepare(stage: Stage, policy: list[str]) -> None:
    """Check the pipeline, make a profile, seal the hidden scenarios and draw the graph."""
    stage.attractor("validate", PIPELINE)
    stage.attractor("profile", "create", "demo", *policy)
    stage.attractor("pipeline", "register", PIPELINE)
    stage.attractor("suite", "register", "scenarios/todo")
    print("\n$ git add scenarios && git commit --message 'Seal the suite'")
    stage.shell("git", "add", "scenarios")
    stage.shell("git", *GIT_IDENTITY, "commit", "--quiet", "--message", "Seal the suite")
    stage.attractor("render", PIPELINE, "--output", str(stage.folder / "wish.svg"))


def first_run(stage: Stage, run: list[str]) -> None:
    """Run, kill, resume; the project's tests pass, and two hidden scenarios fail."""
    stage.start_and_kill(*run, at=KILLED_AT)
    walk(stage, "resume", "latest")
    stage.attractor("gate", "latest", "--operator", expected=NO_GO)


def second_run(stage: Stage, run: list[str]) -> None:
    """Run again with the feedback of the gate."""
    walk(stage, *run, "--feedback", "latest")
    stage.attractor("gate", "latest")


def walk(stage: Stage, *words: str) -> None:
    """Run or resume until the run ends."""
    try:
        stage.attractor(*words)
    except Surprise as surprise:
        if surprise.code != FAILED:
            raise
        raise RunFailed from surprise


def sign_in(stage: Stage) -> Stage:
    """Make a token at a terminal, as the person who decides."""
    print("\n$ attractor token create demo", flush=True)
    token = stage.attractor("token", "create", "demo", quiet=True, typed="y").strip()
    print("y", flush=True)
    return Stage(stage.folder, {**stage.environ, "ATTRACTOR_TOKEN": token})


def try_to_approve(person: Stage) -> None:
    """Try to approve the first run; the gate refuses."""
    reason = "It works for me, and we are in a hurry."
    person.attractor("decide", "latest", "--approve", "--rationale", reason, expected=NO_GO)


def decide_and_promote(person: Stage) -> None:
    """Approve, move the branch, use the program and verify all records."""
    reason = "The hidden scenarios pass, and the numbers are the right ones."
    person.attractor("decide", "latest")
    person.attractor("decide", "latest", "--approve", "--rationale", reason)
    person.attractor("promote", "latest", "--to", "main")
    print("\n$ git log --oneline main")
    print(person.shell("git", "log", "--oneline", "main"), end="")
    for words in (["add", "write"], ["add", "test"], ["done", "1"]):
        person.shell(sys.executable, "todo.py", *words)
    print("\n$ python3 todo.py list --open")
    print(person.shell(sys.executable, "todo.py", "list", "--open"), end="")
    person.attractor("runs", "--status", "approved")
    person.attractor("audit", "verify")


if __name__ == "__main__":
    sys.exit(main())
