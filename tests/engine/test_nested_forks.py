"""Nested forks lose no file: random nestings and a plain model of the final tree (ruling R6)."""

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count as numbers
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.seams import Parts, Stage
from attractor.handlers.for_each import ForEach
from attractor.language.reading import parse
from attractor.workspaces.tracked_folder import TrackedFolder
from tests.counts import count
from tests.engine.runs import Silent, Work, Workplace
from tests.tables import table
from tests.workspaces.projects import Project

ITEMS = 2
PARALLEL = "shape=component"
PARTS = count(ci=1, full=4)
ENDS = "start [shape=Mdiamond]; exit [shape=Msquare];"


async def write(stage: Stage) -> Outcome:
    """Write a file for the stage and the item of its branch."""
    assert isinstance(stage.workspace, TrackedFolder)
    mark = stage.workspace.folder / f"{stage.node.id}:{stage.context.get('work.index') or ''}"
    assert not mark.exists() or stage.visit > 1
    mark.write_text("written")
    return success(things=list(range(ITEMS)))


@dataclass
class GeneratedPipeline:
    """A generated pipeline: `ids` numbers the nodes, `text` contains the statements."""

    ids: "numbers[int]" = field(default_factory=lambda: numbers(1))
    text: list[str] = field(default_factory=list[str])

    def node(self, letter: str, attributes: str = "") -> str:
        name = f"{letter}{next(self.ids)}"
        self.text.append(f"{name} [{attributes}];")
        return name

    def edges(self, begins: Sequence[str], end: str) -> None:
        self.text += [f"{begin} -> {end};" for begin in begins]


# A block is a stage, a choice between two edges, or a fork (its kind, its isolation and its
# branches). Two edges lead to a fork of the kind "twice".
Block = str | tuple[str, str, list[list["Block"]]]

stages = st.sampled_from(["stage", "choice"])
blocks: st.SearchStrategy[Block] = st.recursive(
    stages,
    lambda inner: st.tuples(
        st.sampled_from(["parallel", "for_each", "twice"]),
        st.sampled_from(["", "isolation=shared"]),
        st.lists(st.lists(inner, min_size=1, max_size=2), min_size=1, max_size=2),
    ),
    max_leaves=5,
)


def draw(
    drawn: GeneratedPipeline, before: Sequence[str], line: Sequence[Block], item: str
) -> tuple[Sequence[str], Counter[str]]:
    """Draw blocks one after another; return the last nodes, and the expected marks with counts."""
    wanted = Counter[str]()
    for block in line:
        if isinstance(block, str):
            stage = drawn.node("s")
            drawn.edges(before, stage)
            wanted[f"{stage}:{item}"] += 1
            before = [stage]
            if block == "choice":
                one, other = drawn.node("s"), drawn.node("s")
                drawn.text.append(f'{stage} -> {one} [condition="outcome=success"];')
                drawn.text.append(f'{stage} -> {other} [condition="outcome=fail"];')
                wanted[f"{one}:{item}"] += 1
                before = [one, other]
        else:
            before, written = draw_fork(drawn, before, block, item)
            wanted += written
    return before, wanted


def draw_fork(
    drawn: GeneratedPipeline,
    before: Sequence[str],
    block: tuple[str, str, list[list[Block]]],
    item: str,
) -> tuple[Sequence[str], Counter[str]]:
    kind, isolation, branches = block
    is_each = kind == "for_each"
    shape = 'type=for_each, items="context.things"' if is_each else PARALLEL
    fork = drawn.node("f", f"{shape}, {isolation}" if isolation else shape)
    drawn.edges([*before, *before] if kind == "twice" else before, fork)
    items = [str(number) for number in range(1, ITEMS + 1)] if is_each else [item]
    meeting = drawn.node("j", 'shape=tripleoctagon, merge="all"')
    wanted = Counter[str]()
    for line in branches:
        ends, written = draw(drawn, [fork], line, "ITEM")
        drawn.edges(ends, meeting)
        times = 2 if isinstance(line[0], tuple) and line[0][0] == "twice" else 1
        for one in items:
            for mark, number in written.items():
                wanted[mark.replace("ITEM", one)] += number * times
    return [meeting], wanted


@pytest.mark.parametrize("part", range(PARTS))
@settings(max_examples=count(ci=16, full=2_000) // PARTS)
@given(st.lists(blocks, min_size=1, max_size=2))
def test_random_nested_forks_lose_no_file(part: int, line: list[Block]) -> None:
    drawn = GeneratedPipeline()
    first = drawn.node("s")
    ends, wanted = draw(drawn, [first], line, "")
    drawn.edges(ends, "exit")
    text = f"digraph G {{ {ENDS} start -> {first}; {' '.join(drawn.text)} }}"
    marks, calls = run(text)
    assert marks == {f"{first}:", *wanted}, text
    assert calls == wanted.total() + 1, text


def run(text: str, work: Work = write) -> tuple[set[str], int]:
    """Run a pipeline; return the new files in its final tree, and the number of writes."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")) as folder:
        return asyncio.run(walk(Path(folder), text, work))


async def walk(folder: Path, text: str, work: Work) -> tuple[set[str], int]:
    place = Workplace(folder / "run", parse(text))
    stages = [one for one in place.graph.nodes.values() if one.id.startswith("s")]
    place.handler.script = {one.id: work for one in stages if one.id != "start"}
    place.handlers["for_each"] = ForEach(Parts(Silent(), Silent()))
    place.workspace = workspace = await Project.made(folder).workspace()
    result = await place.walk()
    assert result.outcome is StageStatus.SUCCESS, (result.reason, text)
    assert await workspace.snapshot("in the end") == result.tree
    made = await workspace.changed(workspace.base.candidate, result.tree)
    return set(made), len(place.handler.calls)


IN_EACH = (
    'list -> each; each [type=for_each, items="context.things"]; {};'
    "outer [shape=tripleoctagon, merge=all]; inner [shape=tripleoctagon, merge=all];"
    "fork [shape=component]; fork -> s1 -> inner; fork -> s2 -> inner; inner -> s3 -> outer -> exit"
)


@table(
    ("ways", "marks"),
    [
        ("each -> fork", {"s1:1", "s1:2", "s2:1", "s2:2", "s3:1", "s3:2"}),
        ("each -> fork; each -> fork", {"s1:1", "s1:2", "s2:1", "s2:2", "s3:1", "s3:2"}),
        (
            "each -> more; more [shape=component]; more -> s4 -> inner; more -> s5 -> inner;"
            "each -> fork",
            {f"s{n}:{i}" for n in (1, 2, 3, 4, 5) for i in (1, 2)},
        ),
    ],
)
def test_fork_directly_inside_for_each_keeps_its_files(ways: str, marks: set[str]) -> None:
    text = f"digraph G {{ {ENDS} start -> slist; {IN_EACH.format(ways)} }}"
    found, _ = run(text.replace("list -> each", "slist -> each"))
    assert found == {"slist:", *marks}


def test_stage_of_a_branch_run_again_after_the_fan_in_keeps_its_new_file() -> None:
    text = (
        f"digraph G {{ {ENDS} start -> fork; fork [shape=component]; fork -> s1 -> join;"
        "fork -> s2 -> join; join [shape=tripleoctagon, merge=all]; join -> s3;"
        's3 -> s1 [condition="context.again!=no"]; s3 -> exit [condition="context.again=no"] }'
    )

    async def write_visit(stage: Stage) -> Outcome:
        assert isinstance(stage.workspace, TrackedFolder)
        (stage.workspace.folder / f"{stage.node.id}@{stage.visit}").write_text("written")
        return success(again="no" if stage.visit > 1 else "yes")

    found, _ = run(text, write_visit)
    assert found == {"s1@1", "s2@1", "s3@1", "s1@2", "s3@2"}
