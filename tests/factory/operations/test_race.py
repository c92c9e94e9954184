"""The start of races of real projects."""

import asyncio
from dataclasses import replace
from pathlib import Path

from attractor.factory.operations.race import begin_race
from attractor.factory.races import count_attempts
from tests.factory.flows import make_flow
from tests.pipeline.projects import git, simulated


def test_attempts_from_equal_trees_count_together(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    request = simulated(flow.project, suite="todo", profile="lenient")

    def begin(*changes: str) -> int:
        git(flow.project, "commit", "--quiet", *changes, "--message", "Move on")
        race = begin_race([request], flow.opened, attempts=2, at_once=1, by="ann")
        begun.append(asyncio.run(race))
        return begun[-1].counted

    begun = [asyncio.run(begin_race([request], flow.opened, attempts=2, at_once=1, by="ann"))]
    assert begin("--allow-empty") == 4
    earlier = replace(begun[0], tree="")
    seal, commit, tree = earlier.suite_seal, earlier.commit, begun[1].tree
    assert (count_attempts([earlier], seal, commit, tree), begun[0].tree) == (2, tree)
    assert count_attempts([earlier], seal, begun[1].commit, tree) == 0
    (flow.project / "more").write_text("")
    git(flow.project, "add", "more")
    assert begin() == 2
