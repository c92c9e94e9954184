import asyncio
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.clock import TurnableClock
from attractor.engine.errors import StageOver
from attractor.engine.no_workspace import NoEnvironment
from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.progress import retry_key
from attractor.engine.seams import PATCH_LIMIT, Base, Stage, TreeId
from attractor.engine.secrets import Redactor
from attractor.environments.environment import ExecutionEnvironment
from attractor.language.source.syntax_tree import Plain
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import RETRY, Workplace, run_graph


class Watched(NoEnvironment):
    """An environment that notes when it is opened and closed."""

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes

    async def initialize(self) -> None:
        self._notes.append("open")

    async def cleanup(self) -> None:
        self._notes.append("close")


class Trees:
    """A workspace that notes what is asked of it and numbers its trees."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._trees = 0

    @property
    def base(self) -> Base:
        return Base("commit", "tree", "t0")

    @property
    def environment(self) -> ExecutionEnvironment:
        return Watched(self.notes)

    async def snapshot(self, subject: str) -> TreeId:
        self._trees += 1
        self.notes.append(f"snapshot {subject}")
        return f"t{self._trees}"

    async def restore(self, tree: TreeId, *, set_aside: Path | None = None) -> None:
        place = "/".join(set_aside.parts[-3:]) if set_aside else ""
        self.notes.append(f"restore {tree} aside {place}")

    async def changed(self, since: TreeId, until: TreeId) -> Sequence[str]:
        return []

    async def patch(self, since: TreeId, until: TreeId, *, most: int = PATCH_LIMIT) -> str:
        return ""

    async def diff(self, since: TreeId, until: TreeId, *, most: int, binary: bool = True) -> bytes:
        return b""

    async def export(self, tree: TreeId, to: Path) -> None: ...

    async def fork(self, name: str, tree: TreeId, *, shared: bool = False) -> "Trees":
        return self

    async def discard(self, name: str) -> None: ...

    async def adopt(self, trees: Sequence[TreeId], *, base: TreeId) -> Sequence[str]:
        return []

    async def close(self) -> None: ...


def place_of(tmp_path: Path, script: Outcome | list[Outcome], **attributes: Plain) -> Workplace:
    whole = graph([start(), node("a", **attributes), end()], chain("start", "a", "exit"))
    return Workplace(tmp_path / "run", whole, {"a": script})


def test_every_attempt_starts_from_the_tree_of_the_visit(tmp_path: Path) -> None:
    place = place_of(tmp_path, [RETRY, success()], max_retries=1, retry_policy="none")
    trees = Trees()
    place.workspace = trees
    assert place.run().tree == "t1"
    assert trees.notes == [
        "open",
        "close",
        "restore t0 aside a/history/1.1",
        "open",
        "close",
        "snapshot a 1",
    ]


def test_an_attempt_may_go_on_with_what_was_left(tmp_path: Path) -> None:
    place = place_of(
        tmp_path, [RETRY, success()], max_retries=1, retry_policy="none", retry_from="left"
    )
    trees = Trees()
    place.workspace = trees
    place.run()
    assert not any(note.startswith("restore") for note in trees.notes)


def test_resuming_restores_the_tree_of_the_journal(tmp_path: Path) -> None:
    place = place_of(tmp_path, success())
    trees = Trees()
    place.workspace = trees

    async def die(stage: Stage) -> Outcome:
        raise KeyboardInterrupt

    place.handler.script = {"a": die}
    with pytest.raises(KeyboardInterrupt):
        place.run()
    assert trees.notes[-1] == "close"
    place.handler.script = {}
    place.run()
    assert any(
        note.startswith("restore t0 aside run/incidents/resumed-at-") for note in trees.notes
    )


@pytest.mark.parametrize(("attribute", "calls"), [("repeat", 2), ("fail", 1)])
def test_what_was_interrupted_is_repeated_only_if_it_may_be(
    tmp_path: Path, attribute: str, calls: int
) -> None:
    place = place_of(tmp_path, success(), if_interrupted=attribute)

    async def die(stage: Stage) -> Outcome:
        raise KeyboardInterrupt

    place.handler.script = {"a": die}
    with pytest.raises(KeyboardInterrupt):
        place.run()
    place.handler.script = {}
    result = place.run()
    assert place.handler.calls == [("a", 1, 1)] * calls
    assert (result.outcome is StageStatus.SUCCESS) is (attribute == "repeat")


def test_resuming_does_not_give_attempts_back(tmp_path: Path) -> None:
    place = place_of(tmp_path, success(), max_retries=2, retry_policy="none")

    async def die_at_second(stage: Stage) -> Outcome:
        if stage.attempt == 2:
            raise KeyboardInterrupt
        return RETRY

    place.handler.script = {"a": die_at_second}
    with pytest.raises(KeyboardInterrupt):
        place.run()
    place.handler.script = {"a": RETRY}
    place.run()
    assert [attempt for _, _, attempt in place.handler.calls] == [1, 2, 2, 3]


def test_waits_are_the_same_at_every_replay(tmp_path: Path) -> None:
    def waits(root: Path) -> list[object]:
        place = place_of(root, [RETRY, RETRY, success()], max_retries=2)
        clock = TurnableClock()
        place.clock = clock

        async def walk() -> None:
            task = asyncio.create_task(place.walk())
            await clock.until_asleep()
            await clock.turn(timedelta(minutes=1))
            await task

        asyncio.run(walk())
        return [one.data["delay"] for one in place.events("StageRetrying")]

    first = waits(tmp_path / "one")
    assert first == waits(tmp_path / "two")
    assert len(set(map(str, first))) == 2


def test_the_retry_counter_is_seen_in_the_context(tmp_path: Path) -> None:
    seen: list[object] = []

    async def look(stage: Stage) -> Outcome:
        seen.append((stage.context.get(retry_key("a")), stage.context.get("current_node")))
        return RETRY

    whole = graph(
        [start(), node("a", max_retries=1, retry_policy="none"), end()],
        chain("start", "a", "exit"),
    )
    run_graph(tmp_path, whole, {"a": look})
    assert seen == [(None, "a"), (1, "a")]


def test_what_a_failed_attempt_wrote_into_the_context_is_forgotten(tmp_path: Path) -> None:
    async def write(stage: Stage) -> Outcome:
        stage.context.set(f"attempt{stage.attempt}", True)
        stage.context.append_log(f"attempt {stage.attempt}")
        return RETRY if stage.attempt == 1 else success(said=1)

    whole = graph(
        [start(), node("a", max_retries=1, retry_policy="none"), end()],
        chain("start", "a", "exit"),
    )
    _, place = run_graph(tmp_path, whole, {"a": write})
    with place.open() as run:
        context = run.progress.context
        assert ("attempt1" in context, context["attempt2"], context["said"]) == (False, True, 1)
        assert run.progress.logs == ("attempt 2",)


def test_a_stage_that_is_over_emits_nothing(tmp_path: Path) -> None:
    kept: list[Stage] = []

    async def keep(stage: Stage) -> Outcome:
        stage.emit("Mine", said="in time")
        kept.append(stage)
        return success()

    async def late(stage: Stage) -> Outcome:
        for use in (lambda: kept[0].emit("Mine"), lambda: kept[0].files.write("x", "y")):
            with pytest.raises(StageOver):
                use()
        return success()

    whole = graph([start(), end()], chain("start", "a", "b", "exit"))
    result, place = run_graph(tmp_path, whole, {"a": keep, "b": late})
    assert result.outcome is StageStatus.SUCCESS
    [mine] = place.events("Mine")
    assert (mine.node, mine.visit, mine.attempt) == ("a", 1, 1)


def test_secrets_reach_neither_journal_nor_context_nor_files(tmp_path: Path) -> None:
    async def leak(stage: Stage) -> Outcome:
        stage.files.write("response.md", "hunter2-hunter2")
        stage.emit("Said", words="hunter2-hunter2")
        stage.context.set("direct", "hunter2-hunter2")
        return Outcome(
            StageStatus.SUCCESS,
            notes="hunter2-hunter2",
            context_updates={"said": ["hunter2-hunter2"]},
        )

    seen: list[object] = []

    async def look(stage: Stage) -> Outcome:
        seen.append((stage.context.get("said"), stage.context.get("direct")))
        return success()

    whole = graph([start(), end()], chain("start", "a", "b", "exit"))
    place = Workplace(tmp_path / "run", whole, {"a": leak, "b": look})
    place.redactor = Redactor(["hunter2-hunter2"])
    place.run()
    assert seen == [(["***"], "***")]
    for file in place.root.rglob("*"):
        assert not file.is_file() or b"hunter2" not in file.read_bytes()


def test_an_assumed_outcome_stands_in_final_json(tmp_path: Path) -> None:
    async def assume(stage: Stage) -> Outcome:
        stage.emit("OutcomeAssumed", reason="no report")
        return success()

    whole = graph([start(), end()], chain("start", "a", "exit"))
    _, place = run_graph(tmp_path, whole, {"a": assume})
    assert place.json("final.json")["assumed_outcomes"] == ["a"]


def test_labels_are_those_of_the_ways_out(tmp_path: Path) -> None:
    labels: list[str] = []

    async def look(stage: Stage) -> Outcome:
        labels.extend(stage.labels)
        return success()

    ways = [edge("start", "a"), edge("a", "exit", label="Ship"), edge("a", "b", label="Fix")]
    run_graph(tmp_path, graph([start(), end()], ways), {"a": look})
    assert labels == ["Ship", "Fix"]


def test_a_stage_that_must_not_be_done_twice_is_begun_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    before: list[int] = []

    async def look(stage: Stage) -> Outcome:
        before.append(len(syncs))
        return success()

    monkeypatch.setattr(os, "fsync", syncs.append)
    for word in ("repeat", "fail"):
        syncs.clear()
        nodes = [start(), node("a", if_interrupted=word), end()]
        Workplace(tmp_path / word, graph(nodes, chain("start", "a", "exit")), {"a": look}).run()
    assert before[1] - before[0] == 1
