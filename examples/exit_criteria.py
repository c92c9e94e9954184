"""Plays the demo, and checks what the factory promises: each line that it prints is a criterion.

Ends with 0 if all of them hold, and with 1 if one does not.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from demo import TODO, Stage, open_stage, play

Record = Mapping[str, Any]


def main() -> int:
    """Play the demo, then look at the records that it left."""
    with open_stage(TODO / "twins" / "wish.toml") as stage:
        play(stage)
        criteria = list(check(stage))
    print()
    for name, holds in criteria:
        print(f"{'ok    ' if holds else 'FAILED'}  {name}")
    return 0 if all(holds for _, holds in criteria) else 1


def check(stage: Stage) -> Iterator[tuple[str, bool]]:
    """Yield each criterion, and whether it holds."""
    second, first = ask(stage, "runs")
    events = [json.loads(line) for line in journal(stage, first).splitlines()]
    yield (
        "profile, pipeline and suite have versions",
        all(
            [one["version"] for one in ask(stage, kind, "list")] == [1]
            for kind in ("profile", "pipeline", "suite")
        ),
    )
    yield "a run that was killed went on", any(one["type"] == "RunResumed" for one in events)
    gate = ask(stage, "gate", first["run_id"], expected=5)
    failed = [one["rule"] for one in gate["reasons"]]
    yield "a scenario that must pass failed, and blocked the gate", "must" in failed
    refused = [one for one in events if one["data"].get("refused") == "approval"]
    yield "the refused approval is an event", len(refused) == 1
    yield "no decision without a go", first["status"] == "awaiting_human"
    given = next((stage.project / "runs" / second["run_id"]).rglob("feedback.json"), None)
    yield "the second run got the feedback of the first", given is not None
    yield (
        "a run is found by its status",
        [second["run_id"]] == [one["run_id"] for one in ask(stage, "runs", "--status", "approved")],
    )
    found = ask(stage, "status", second["run_id"])
    yield "a run is found by its id", found["run_id"] == second["run_id"]
    kinds = [one["kind"] for one in ask(stage, "history", second["run_id"])]
    yield "decision and promotion are on record", kinds == ["decided", "promoted"]
    commit = stage.shell("git", "log", "-1", "--format=%(trailers:key=Attractor-Run,valueonly)")
    yield "main has the commit of the approved run", second["run_id"] in commit
    stage.attractor("audit", "verify", quiet=True)
    yield "all chains verify", True


def ask(stage: Stage, *words: str, expected: int = 0) -> Any:
    """Run a command, and return its JSON."""
    return json.loads(stage.attractor(*words, "--json", quiet=True, expected=expected))


def journal(stage: Stage, run: Record) -> str:
    """Return the events of a run."""
    return (stage.project / "runs" / run["run_id"] / "events.jsonl").read_text("utf-8")


if __name__ == "__main__":
    sys.exit(main())
