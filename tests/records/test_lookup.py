import asyncio
from pathlib import Path

import pytest

from attractor.base.errors import LockHeld, UnknownName, UsageError
from attractor.engine.run_folder.layout import create_run_directory
from attractor.engine.run_folder.open_run import open_run
from attractor.pipeline.execute import resume
from attractor.records.lookup import find_run, latest_verdict, outermost_run_id
from attractor.records.summary import list_runs
from tests.engine.graphs import line
from tests.engine.runs import Workplace, manifest
from tests.pipeline.projects import make_runs, open_project


def workplace(root: Path) -> Workplace:
    return Workplace(root, line("plan"))


def test_runs_are_listed_and_found_by_reference(tmp_path: Path) -> None:
    runs_dir, ids = make_runs(tmp_path, 2)
    assert [one.run_id for one in list_runs(runs_dir)] == ids[::-1]
    assert find_run("latest", runs_dir).name == ids[1]
    for reference in (ids[0], ids[0].lower(), ids[0][:-1], str(runs_dir / ids[0])):
        assert find_run(reference, runs_dir).name == ids[0]


def test_child_runs_are_found_by_their_folders(tmp_path: Path) -> None:
    inner = tmp_path / "R1" / "children" / "build@1.1" / "children" / "test@2.1"
    for root in (tmp_path / "R1", inner.parent.parent, inner):
        workplace(root).run()
    (inner.parent / "half@1.1").mkdir()
    assert find_run("latest:build@1.1:test@2.1", tmp_path) == inner
    # Its parent is a child as well, and cannot be resumed either.
    create_run_directory(tmp_path / "R2", manifest(line("a"), run_id="2" * 26), "digraph {}")
    assert outermost_run_id(tmp_path / "R2" / inner.relative_to(tmp_path / "R1")) == "2" * 26
    for name in ("build", "..", "half@1.1", "build@1.1/children", ""):
        with pytest.raises(UnknownName, match="unknown child of run"):
            find_run(f"R1:{name}", tmp_path)


def test_ambiguous_or_unknown_run_is_reported(tmp_path: Path) -> None:
    runs_dir, ids = make_runs(tmp_path, 2)
    with pytest.raises(UsageError, match="ambiguous run '01'"):
        find_run("01", runs_dir)
    for reference in ("", "zzz", ids[0] + "0"):
        with pytest.raises(UnknownName):
            find_run(reference, runs_dir)
    for reference in ("latest", "zzz"):
        with pytest.raises(UsageError, match="no run found in .*nowhere") as caught:
            find_run(reference, tmp_path / "nowhere")
        assert caught.value.hint == "start one: attractor run FILE"


def test_impossible_file_name_is_an_unknown_run(tmp_path: Path) -> None:
    workplace(tmp_path / "R1")
    with pytest.raises(UnknownName) as caught:
        find_run("x" * 5000, tmp_path)
    assert len(caught.value.message) < 200


def test_latest_verdict_is_that_of_the_newest_evaluation(tmp_path: Path) -> None:
    assert latest_verdict(tmp_path) is None
    for number, go in (("2", "false"), ("10", "true"), ("9", "false")):
        folder = tmp_path / "evaluation" / number
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(f'{{"go": {go}}}')
    assert latest_verdict(tmp_path) is True


def test_a_run_in_other_hands_is_refused_before_its_workspace_is_touched(tmp_path: Path) -> None:
    runs_dir, [run_id] = make_runs(tmp_path, 1)
    project = tmp_path / "project"
    opened = open_project(project)
    scratch = opened.machine.state_dir / "stores" / run_id / "scratch-of-the-living"
    scratch.mkdir()
    with (
        open_run(runs_dir / run_id, clock=opened.machine.clock, before_end=None),
        pytest.raises(LockHeld),
    ):
        asyncio.run(resume(runs_dir / run_id, opened))
    assert scratch.exists()


def test_run_is_found_by_the_name_of_its_folder(tmp_path: Path) -> None:
    for name in ("mine", "Mine-2", "01JZ0000000000000000000000"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
    for reference, name in (("mine", "mine"), ("Mine-2", "Mine-2"), ("Min", "Mine-2")):
        assert find_run(reference, tmp_path) == tmp_path / name
    assert find_run("01jz", tmp_path).name == "01JZ0000000000000000000000"
