import asyncio
from pathlib import Path

import pytest

from attractor.base.errors import UnknownName, UsageError
from attractor.pipeline.options import RunOptions
from attractor.pipeline.running import start
from attractor.pipeline.runs import find_run, list_runs, summarize
from tests.pipeline.projects import make_project, make_world


def make_runs(tmp_path: Path, count: int) -> tuple[Path, list[str]]:
    project = make_project(tmp_path / "project")
    world = make_world(project)
    chosen = RunOptions(file=project / "pipeline.dot", backend="simulate", sandbox="none")
    ids = [asyncio.run(start(chosen, world)).run_id for _ in range(count)]
    return world.runs_dir, ids


def test_runs_are_listed_newest_first_and_found_by_what_people_say(tmp_path: Path) -> None:
    runs_dir, ids = make_runs(tmp_path, 2)
    assert [one.run_id for one in list_runs(runs_dir)] == ids[::-1]
    assert find_run("latest", runs_dir).name == ids[1]
    for reference in (ids[0], ids[0].lower(), ids[0][:-1], str(runs_dir / ids[0])):
        assert find_run(reference, runs_dir).name == ids[0]


def test_a_name_for_several_or_no_runs_is_told(tmp_path: Path) -> None:
    runs_dir, ids = make_runs(tmp_path, 2)
    with pytest.raises(UsageError, match="2 runs begin with '01'"):
        find_run("01", runs_dir)
    for reference in ("", "zzz", ids[0] + "0"):
        with pytest.raises(UnknownName):
            find_run(reference, runs_dir)
    with pytest.raises(UsageError, match="there is no run"):
        find_run("latest", tmp_path / "nowhere")


def test_a_summary_says_where_the_run_stands(tmp_path: Path) -> None:
    runs_dir, ids = make_runs(tmp_path, 1)
    summary = summarize(runs_dir / ids[0])
    assert (summary.status, summary.outcome, summary.goal) == ("evaluating", "success", "Say hello")
    assert summary.to_record()["run_id"] == ids[0]
