"""attractor-spec 5.5: values too large for the context are stored once, and read completely."""

import asyncio
import re
from pathlib import Path

import pytest

from attractor.base.broadcast import Missed
from attractor.base.errors import FileError, VerificationError
from attractor.base.events import Event
from attractor.base.json import Json
from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.seams import Stage
from attractor.engine.storage.secrets import Redactor
from tests.engine.forked import forked
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import Workplace, run_graph
from tests.tables import table

BIG = "größe " * 650_000
MEGABYTE = 1_000_000


async def write_big(stage: Stage) -> Outcome:
    return success(big=BIG, small=[1, 2.5, None, {"a": True}])


async def die(stage: Stage) -> Outcome:
    raise KeyboardInterrupt


class Reading:
    """A stage that reads the context."""

    def __init__(self) -> None:
        self.read: list[Json] = []

    async def __call__(self, stage: Stage) -> Outcome:
        self.read.append(stage.context.get("big"))
        assert stage.context.snapshot()["big"] == stage.context.get("big")
        return success()


def blobs(place: Workplace) -> list[Path]:
    return list((place.root / "artifacts").glob("*.json"))


def test_5_5_large_value_is_referenced_and_read_completely(tmp_path: Path) -> None:
    reading = Reading()
    _, place = run_graph(tmp_path, line("write", "read"), {"write": write_big, "read": reading})
    assert reading.read == [BIG]
    for name in ("events.jsonl", "checkpoint.json", "write/status.json"):
        assert (place.root / name).stat().st_size < 50_000
    context = place.json("checkpoint.json")["context"]
    assert isinstance(context, dict)
    assert context["small"] == [1, 2.5, None, {"a": True}]
    [blob] = blobs(place)
    assert context["big"] == {"$artifact": blob.stem, "bytes": blob.stat().st_size}


def test_5_5_the_same_bytes_are_stored_once(tmp_path: Path) -> None:
    script = {"a": write_big, "b": write_big, "c": success(other=BIG)}
    _, place = run_graph(tmp_path, line("a", "b", "c"), script)
    assert len(blobs(place)) == 1
    [completed] = place.events("PipelineCompleted")
    assert completed.data["artifact_count"] == 1


def test_5_5_large_value_is_complete_after_a_resume(tmp_path: Path) -> None:
    reading = Reading()
    place = Workplace(tmp_path / "run", line("write", "read"), {"write": write_big, "read": die})
    with pytest.raises(KeyboardInterrupt):
        place.run()
    (place.root / "checkpoint.json").unlink()
    Workplace(place.root, place.graph, {"read": reading}).run()
    assert reading.read == [BIG]


def test_5_5_conditions_read_the_complete_value(tmp_path: Path) -> None:
    drawn = graph(
        [start(), end(), node("yes"), node("no")],
        [
            *chain("start", "write"),
            edge("write", "yes", f"context.big={'x' * 200_000}"),
            edge("write", "no"),
            *chain("yes", "exit"),
            *chain("no", "exit"),
        ],
    )
    result, _ = run_graph(tmp_path, drawn, {"write": success(big="x" * 200_000)})
    assert result.completed == ("start", "write", "yes")


def test_5_5_branches_inherit_the_complete_value(tmp_path: Path) -> None:
    seen: list[Json] = []

    async def look(stage: Stage) -> Outcome:
        found = stage.context.get("parallel.results")
        assert isinstance(found, list)
        seen.extend(one["context_updates"] for one in found if isinstance(one, dict))
        return success()

    place = Workplace(tmp_path / "run", forked("a", "b"), {"a": write_big, "b": success(b=1)})
    drawn = place.graph
    edges = [one for one in drawn.edges if one.target != "exit"]
    place.graph = graph(list(drawn.nodes.values()), [*edges, *chain("join", "look", "exit")])
    place.handler.script = {**place.handler.script, "look": look}
    place.run()
    [first, _] = seen
    assert isinstance(first, dict)
    assert first["big"] == BIG
    assert (place.root / "events.jsonl").stat().st_size < 100_000
    assert (place.root / "checkpoint.json").stat().st_size < 100_000


def test_5_5_no_secret_is_put_aside(tmp_path: Path) -> None:
    script = {"a": success(big="hunter2hunter2 " + "x" * MEGABYTE)}
    place = Workplace(tmp_path / "run", line("a"), script)
    place.redactor = Redactor(["hunter2hunter2"])
    place.run()
    [blob] = blobs(place)
    assert blob.read_text().startswith('"*** xxx')


@table("trouble", ["lost", "changed"])
def test_5_5_a_missing_value_stops_the_run(tmp_path: Path, trouble: str) -> None:
    reading = Reading()
    place = Workplace(tmp_path / "run", line("write", "read"), {"write": write_big, "read": die})
    with pytest.raises(KeyboardInterrupt):
        place.run()
    [blob] = blobs(place)
    kept = blob.read_bytes()
    if trouble == "lost":
        blob.unlink()
    else:
        blob.write_bytes(b'"forged"')
    again = Workplace(place.root, place.graph, {"read": reading})
    with pytest.raises((FileError, VerificationError)):
        again.run()
    assert reading.read == []
    blob.write_bytes(kept)
    assert (
        Workplace(place.root, place.graph, {"read": reading}).run().outcome is StageStatus.SUCCESS
    )
    assert reading.read == [BIG]


def test_5_5_a_full_disk_leaves_the_stage_to_be_done_again(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("write"), {"write": write_big})
    (place.root / "artifacts").write_text("in the way")
    with pytest.raises(FileError):
        place.run()
    (place.root / "artifacts").unlink()
    result = Workplace(place.root, place.graph, {"write": write_big}).run()
    assert (result.outcome, result.completed) == (StageStatus.SUCCESS, ("start", "write"))


def test_5_5_stages_store_artifacts_by_name(tmp_path: Path) -> None:
    seen: list[Json] = []

    async def store(stage: Stage) -> Outcome:
        info = stage.artifacts.store("log", "The whole log", [BIG])
        assert (info.is_file_backed, info.name) == (True, "The whole log")
        stage.artifacts.store("note", "A note", "short")
        return success()

    async def retrieve(stage: Stage) -> Outcome:
        assert [one.id for one in stage.artifacts.list()] == ["log", "note"]
        seen.extend(stage.artifacts.retrieve(one) for one in ("log", "note"))
        return success()

    place = Workplace(tmp_path / "run", line("store", "use"), {"store": store, "use": die})
    with pytest.raises(KeyboardInterrupt):
        place.run()
    asyncio.run(Workplace(place.root, place.graph, {"use": retrieve}).walk())
    assert seen == [[BIG], "short"]


def test_5_5_bytes_are_stored_before_the_journal_names_them(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("write"), {"write": write_big})
    there: list[bool] = []

    def look(event: Event | Missed) -> None:
        assert isinstance(event, Event)
        named = re.search(r"\$artifact': '([0-9a-f]{64})", str(event.data))
        if named:
            there.append((place.root / "artifacts" / f"{named[1]}.json").exists())

    with place.open() as run:
        run.events.subscribe(look)
        asyncio.run(place.runner(run).run())
    assert there == [True]
