"""This machine and the model of a night leave equal records of the same workers."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from attractor.missions.plan import plan_text
from attractor.missions.process import work
from attractor.missions.records import MissionFolder, PlannedTask
from tests.missions.desks import SETTINGS, MissionDesk
from tests.missions.simulation import Killed, make_night

STORY: Mapping[str, Sequence[str]] = {
    "t0": ("right",),
    "t1": ("wrong", "right"),
    "t2": ("empty", "foreign", "right"),
    "t3": ("down", "right"),
    "t4": ("wrong", "wrong", "wrong"),
    "t4-1": ("right",),
}
"""What the workers of each task do, one after the other."""
*PLAN, AGAIN = [
    PlannedTask(id_, f"Do {id_}", touches=(file,), check=f"grep -qx '{id_} is done' {file}")
    for id_ in STORY
    for file in [f"f-{id_[:2]}"]
]
TASK = """digraph task {
  graph [inputs="check"]
  start [shape=Mdiamond]; done [shape=Msquare]
  work [prompt="$goal"]
  start -> work -> done
}
"""
AGENT = """asked=$(cat)
outcome=success
case $asked in
  *"were given up"*) cat > plan.toml <<'PLAN'
{again}
PLAN
  ;;
  *"You plan the work of others"*) cat > plan.toml <<'PLAN'
{plan}
PLAN
  ;;
  *)
    task=$(printf '%s' "$asked" | grep -o '^Do t[0-9-]*' | head -1 | cut -d' ' -f2)
    file=f-${{task%-1}}
    echo x >> {folder}/tries-$task
    case $(sed -n "$(wc -l < {folder}/tries-$task)p" {folder}/kinds-$task) in
      right) echo "$task is done" >> $file ;;
      wrong) date +%N >> $file ;;
      foreign) echo "$task is done" >> $file; echo x > other ;;
      down) outcome=fail ;;
    esac ;;
esac
echo "{{\\"outcome\\": \\"$outcome\\"}}" > $ATTRACTOR_STATUS_FILE
"""
KEPT = ("role", "task", "tasks", "succeeded", "cause", "act", "rule", "faults", "why", "verdict")


def told(journal: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the lines of a journal without times, ids, costs and words."""
    for line in map(json.loads, journal.read_text().splitlines()):
        data = line["data"]
        results = {id_: held for id_, held in data.get("results", {}).items() if ":" not in id_}
        kept = {name: data[name] for name in KEPT if data.get(name)}
        if line["kind"] == "planned":
            kept["tasks"] = [(task["id"], task["touches"]) for task in data["tasks"]]
        if line["kind"] != "mission":
            yield line["kind"], {**kept, "results": results}


def test_machine_and_model_leave_equal_records(tmp_path: Path) -> None:
    desk = MissionDesk(tmp_path / "desk")
    desk.folder.mkdir()
    agent = AGENT.format(plan=plan_text(PLAN, {}), again=plan_text([AGAIN], {}), folder=desk.folder)
    for id_, kinds in STORY.items():
        (desk.folder / f"kinds-{id_}").write_text("".join(f"{kind}\n" for kind in kinds))
    desk.make(TASK, **{"agent.sh": agent, "attractor.toml": SETTINGS})
    desk.start("--hands-off", "--workers", "1", "--pipeline", "pipeline.dot")
    desk.wait()

    dying, place = make_night(1, tmp_path / "night")
    mission = replace(
        dying.read().mission, workers=1, hands_off=True, suite="", max_cost_usd=None, hours=24.0
    )
    MissionFolder.record(dying, mission)
    place.plan, place.nonsense, place.down = PLAN, 0, (place.now, place.now)
    place.story = {id_: [*kinds] for id_, kinds in STORY.items()}
    while not dying.read().closed:
        with suppress(Killed):
            waits = work(dying, place, place.advance)
            assert waits is None, waits
    desk.end()
    assert [*told(desk.mission / "journal.jsonl")] == [*told(dying.root / "journal.jsonl")]
