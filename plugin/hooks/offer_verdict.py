"""Offers a verdict at the end of a turn of Claude Code, in one line and once for each change.

It prints nothing unless uncommitted files changed since the last turn and the project has a
registered suite. The line is for the person: the agent reads nothing, and is never blocked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

OFFER = "attractor: the changes are not judged. /judge has hidden scenarios judge them."
LIMIT_S = 4


def ask(*words: str) -> str:
    """Return what a command prints; raise if it fails or takes too long."""
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=True
    )
    return done.stdout


def read_changes() -> tuple[str, str]:
    """Return the root of the work tree, and a digest of its uncommitted changes, "" without any."""
    top = ask("git", "rev-parse", "--show-toplevel").rstrip("\n")
    listed = ask("git", "-C", top, "--no-optional-locks", "status", "--porcelain", "-z", "-uall")
    lines = listed.split("\0")[:-1]
    for at, line in enumerate(lines):
        file = Path(top, line[3:])
        if file.is_file():
            facts = file.stat()
            lines[at] += f" {facts.st_size} {facts.st_mtime_ns}"
    return top, sha256("\0".join(lines).encode()).hexdigest() if lines else ""


def main() -> None:
    """Print the offer if the changes are new."""
    os.chdir(os.environ.get("CLAUDE_PROJECT_DIR") or ".")
    top, changes = read_changes()
    known = Path(os.environ["CLAUDE_PLUGIN_DATA"], sha256(top.encode()).hexdigest())
    if not changes or (known.exists() and known.read_text() == changes):
        return
    known.parent.mkdir(parents=True, exist_ok=True)
    known.write_text(changes)
    suites = json.loads(ask("attractor", "suite", "list", "--json"))
    if any(one["ending"] is None for one in suites):
        sys.stdout.write(json.dumps({"systemMessage": OFFER}) + "\n")


if __name__ == "__main__":
    main()
