"""Plays the demo, and checks the promises of the factory: it prints a line for each criterion.

Exits with 0 if all criteria are met, otherwise with 1.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from demo import NO_GO, TODO, Stage, open_stage, play

Record = Mapping[str, Any]


def main() -> int:
    """Play the demo, then read its records."""
    with open_stage(TODO / "twins" / "wish.toml") as stage:
        play(stage)
        criteria = list(check(stage))
    print()
    for name, holds in criteria:
        print(f"{'ok    ' if holds else 'FAILED'}  {name}")
    return 0 if all(holds for _, holds in criteria) else 1


def check(stage: Stage) -> Iterator[tuple[str, bool]]:
    """Yield each criterion and its result."""
    second, first = stage.ask("runs")
    events = [json.loads(line) for line in journal(stage, first).splitlines()]
    yield (
        "profile, pipeline and suite have versions",
        all(
            [one["version"] for one in stage.ask(kind, "list")] == [1]
            for kind in ("profile", "pipeline", "suite")
        ),
    )
    yield "a run that was killed went on", any(one["type"] == "RunResumed" for one in events)
    gate = stage.ask("gate", first["run_id"], expected=[NO_GO])
    failed = [one["rule"] for one in gate["reasons"]]
    yield "a scenario that must pass failed, and blocked the gate", "must" in failed
    refused = [one for one in events if one["data"].get("refused") == "approval"]
    yield "the refused approval is an event", len(refused) == 1
    yield "no decision without a go", first["status"] == "awaiting_human"
    given = next((stage.project / "runs" / second["run_id"]).rglob("feedback.json"), None)
    yield "the second run got the feedback of the first", given is not None
    yield (
        "a run is found by its status",
        [second["run_id"]] == [one["run_id"] for one in stage.ask("runs", "--status", "approved")],
    )
    found = stage.ask("status", second["run_id"])
    yield "a run is found by its id", found["run_id"] == second["run_id"]
    kinds = [one["kind"] for one in stage.ask("history", second["run_id"])]
    yield "decision and promotion are on record", kinds == ["decided", "promoted"]
    commit = stage.read("git log -1 --format='%(trailers:key=Attractor-Run,valueonly)'")
    yield "main has the commit of the approved run", second["run_id"] in commit
    yield "all chains verify", stage.ask("audit", "verify")["intact"]


def journal(stage: Stage, run: Record) -> str:
    """Return the events of a run."""
    return (stage.project / "runs" / run["run_id"] / "events.jsonl").read_text("utf-8")


if __name__ == "__main__":
    sys.exit(main())
