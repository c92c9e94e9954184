"""A night without a person, in a new folder outside the clone, as `make mission-demo` plays it.

A mission plans three tasks, of which two touch one file and one cannot be done. A worker and the
process of the mission are killed, and go on. The mission ends with one decision for a person, and a
report. A script takes the place of the model.

Exits with 0 after the report, and otherwise with the unexpected exit status of a command.
"""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from demo import Stage, Surprise, choose_policy, make_environ, sandbox_of, say

from attractor.base.locks import holder_of

LIMIT_S = 180.0
NAME = "greeting"
AGENT = """asked=$(cat)
case $asked in
  *"were given up"*) cat > plan.toml <<'PLAN'
[[task]]
id = "note"
what = "Write NOTE.md: the moon is out of reach"
touches = ["NOTE.md"]
check = "grep -q moon NOTE.md"
PLAN
  ;;
  *"You plan the work of others"*) cat > plan.toml <<'PLAN'
[[task]]
id = "hello"
what = "Write greeting.txt with a hello"
touches = ["greeting.txt"]
check = "grep -q hello greeting.txt"

[[task]]
id = "goodbye"
what = "Add a goodbye to greeting.txt"
touches = ["greeting.txt"]
needs = ["hello"]
check = "grep -q goodbye greeting.txt"

[[task]]
id = "moon"
what = "Put the moon into moon.txt"
touches = ["moon.txt"]
check = "test $(wc -c < moon.txt) -gt 1000000000"
PLAN
  ;;
  *NOTE.md*) echo "The moon is out of reach." > NOTE.md ;;
  *"with a hello"*) sleep 3; echo hello > greeting.txt ;;
  *"Add a goodbye"*) echo goodbye >> greeting.txt ;;
  *moon.txt*) date > moon.txt ;;
esac
echo done
"""
FILES = {
    "agent.sh": AGENT,
    "attractor.toml": '[backends.command]\nrun = "sh agent.sh"\n',
    "scenarios/greeting/suite.toml": 'name = "greeting"\npipeline = "*"\n',
    "scenarios/greeting/holdout/both.scenario.toml": """id = "both"
title = "It greets and parts, and says what is out of reach"
story = "Ann reads the greeting, and the note about the moon."
baseline = "fail"

[[steps]]
name = "read"
run = "cat greeting.txt NOTE.md"

[[checks]]
kind = "stdout"
step = "read"
equals = "hello\\ngoodbye\\nThe moon is out of reach.\\n"
""",
}


def main() -> int:
    """Play the demo, and print where its files are."""
    folder = Path(tempfile.mkdtemp(prefix="attractor-demo-"))
    stage = Stage(folder, make_environ(folder, {}))
    try:
        play(stage)
    except Surprise as surprise:
        say(f"\nThe demo ended early: {surprise}. Everything is in {folder}.")
        return surprise.code
    say(f"\nEverything is in {folder}.")
    return 0


def play(stage: Stage) -> None:
    """Play all steps of the demo."""
    for name, text in FILES.items():
        place = stage.project / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
    policy = choose_policy(stage)
    sandbox = sandbox_of(policy)
    say("\n# A new repository, and one hidden scenario")
    stage.type("git init --quiet --initial-branch main")
    stage.type("git config user.name You && git config user.email you@localhost")
    stage.type("git add --all && git commit --quiet --message Begin")
    stage.attractor("profile", "create", "demo", *policy)
    stage.attractor("suite", "register", "scenarios/greeting", *sandbox)
    stage.type("git add scenarios && git commit --quiet --message 'Seal the suite'")
    say("\n# The evening: one order, and nobody stays")
    judged = ["--suite", "greeting", "--profile", "demo", *sandbox]
    words = ["Greet, part, and bring the moon", "--name", NAME, "--with", "command"]
    stage.attractor("mission", "start", *words, "--hands-off", *judged)
    say("\n# The night: a worker and the process of the mission are killed")
    kill_a_worker(stage)
    stage.attractor("mission", "resume", NAME)
    stage.attractor("mission", "show", NAME, "--wait")
    say("\n# The morning: what was asked, what is done, what is not, and one decision to take")
    stage.attractor("mission", "report", NAME)
    stage.attractor("attention")
    stage.type(f"git log --oneline attractor/mission/{NAME}")


def kill_a_worker(stage: Stage) -> None:
    """Kill the first worker and the process of the mission, as a crash of the machine would."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        tasks = stage.ask("mission", "show", NAME)["tasks"]
        if any(task["status"] == "in work" for task in tasks):
            break
        time.sleep(0.2)
    locks = [*(stage.folder / "state").glob(f"projects/*/missions/{NAME}/*lock")]
    for holder in filter(None, map(holder_of, locks)):
        say(f"$ kill -9 {holder.pid}")
        os.kill(holder.pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
