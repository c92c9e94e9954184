"""Two agents that stay, in a new folder outside the clone, as `make agents-demo` plays it.

It copies examples/todo and scenarios/todo into a fresh repository, and types there the commands of
a person: two agents get one wish in two worktrees, one asks and is answered, all processes are
killed and go on, and both are judged by the same hidden scenarios. One is promoted, and the other
one is not. The models' answers come from a script.

Exits with 0 after the promotion, and otherwise with the unexpected exit status of a command.
"""

import os
import signal
import sys
import time
from pathlib import Path

from demo import NO_GO, TODO, Stage, Surprise, make_project, open_stage, sandbox_of, say, sign_in

from attractor.base.locks import holder_of

MODEL = ["--model", "gpt-5.2"]
WISH = "Let todo.py list --open show only the open tasks, with a test."
LIMIT_S = 60.0
DONE = ["--timeout", "60s"]


def main() -> int:
    """Play the demo, and print where its files are."""
    with open_stage(TODO / "twins" / "agents.toml") as stage:
        try:
            play(stage)
        except Surprise as surprise:
            say(f"\nThe demo ended early: {surprise}. Everything is in {stage.folder}.")
            return surprise.code
        say(f"\nEverything is in {stage.folder}.")
    return 0


def play(stage: Stage) -> None:
    """Play all steps of the demo."""
    policy = make_project(stage)
    sandbox = sandbox_of(policy)
    say("\n# Seal the hidden scenarios, and choose a policy")
    stage.attractor("profile", "create", "demo", *policy)
    stage.attractor("suite", "register", "scenarios/todo", *sandbox)
    stage.type("git add scenarios && git commit --quiet --message 'Seal the suite'")
    person = sign_in(stage)
    say("\n# Two agents that stay, each in a worktree of its own")
    ask = ["--pipeline", "pipelines/ask.dot"]
    stage.attractor("actor", "spawn", WISH, "--name", "quick", *MODEL, *sandbox)
    stage.attractor("actor", "spawn", WISH, "--name", "careful", *ask, *MODEL, *sandbox)
    say("\n# What needs a person: one of them asks. Answer it")
    until(stage, "careful", "asking")
    stage.attractor("attention")
    stage.type("printf 'W\\nq\\n' | attractor attention next")
    say("\n# Kill all their processes, and start again what was cut")
    until(stage, "careful", "working")
    kill_all(stage)
    stage.attractor("actor", "list")
    stage.attractor("up", "--once")
    stage.attractor("actor", "wait", "quick", "careful", *DONE)
    say("\n# The same hidden scenarios judge both")
    judged = ["--suite", "todo", "--profile", "demo", *sandbox]
    stage.attractor("dimension", "submit", "quick", *judged)
    stage.attractor("gate", "latest", "--operator", expected=(NO_GO,))
    stage.attractor("dimension", "submit", "careful", *judged)
    stage.attractor("gate", "latest")
    say("\n# Approve and promote the one that passed, and remove both")
    reason = "All hidden scenarios pass."
    person.attractor("decide", "latest", "--approve", "--reason", reason)
    person.attractor("promote", "latest", "--to", "main")
    stage.type("git log --oneline main")
    for name, force in (("careful", []), ("quick", ["--force"])):
        stage.attractor("actor", "stop", name)
        stage.attractor("actor", "archive", name)
        stage.attractor("dimension", "remove", name, *force)


def until(stage: Stage, name: str, status: str) -> None:
    """Wait for a status of an actor, without showing the command."""
    stage.read(f"attractor actor wait {name} --until {status} --timeout 60s")


def kill_all(stage: Stage) -> None:
    """Kill the processes of all actors with SIGKILL, in the middle of their work."""
    locks = [*(stage.folder / "state").glob("projects/*/actors/*/lock")]
    runs = stage.project / "runs"
    end = time.monotonic() + LIMIT_S
    while len([*runs.glob("*/*/prompt.md")]) < len(locks) and time.monotonic() < end:
        time.sleep(0.05)
    holders = [one for one in map(holder_of, locks) if one]
    say(f"\n$ kill -9 {' '.join(str(one.pid) for one in holders)}")
    for one in holders:
        os.kill(one.pid, signal.SIGKILL)
    while any(Path(f"/proc/{one.pid}/cmdline").exists() for one in holders):
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
