import json
import os
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode, VerificationError
from attractor.engine.journal.events import PipelineStarted, StageStarted
from attractor.engine.state.attempts import StageReference
from attractor.engine.state.progress import Progress, progress_to_record
from attractor.engine.state.run_state import BOOTING, EXECUTING, FAILED
from attractor.records.lookup import find_run
from attractor.records.summary import list_runs, summarize
from tests.engine.graphs import line
from tests.engine.runs import Workplace
from tests.pipeline.projects import make_runs


def workplace(root: Path) -> Workplace:
    return Workplace(root, line("plan"))


def test_missing_manifest_is_reported_and_hides_no_other_run(tmp_path: Path) -> None:
    for name in ("R1", "R2"):
        workplace(tmp_path / name).run()
    (tmp_path / "R2" / "manifest.json").unlink()
    lost, whole = list_runs(tmp_path)
    assert (lost.run_id, lost.status, lost.trouble_code) == ("R2", "unknown", ExitCode.BROKEN)
    assert "manifest.json is missing (restore it from a copy, or start" in lost.trouble
    assert (whole.directory.name, whole.outcome) == ("R1", "success")
    assert find_run("latest", tmp_path).name == "R1"
    # It is found by its id and by its directory, so that its damage can be reported.
    for reference in ("R2", str(tmp_path / "R2")):
        with pytest.raises(VerificationError, match=r"manifest\.json is missing"):
            summarize(find_run(reference, tmp_path))


def test_lost_end_is_read_from_the_journal(tmp_path: Path) -> None:
    place = workplace(tmp_path / "run")
    place.run()
    before = summarize(place.root)
    final = place.root / "final.json"
    final.unlink()
    assert summarize(place.root) == before
    assert (before.outcome, final.exists()) == ("success", False)
    with place.open():
        assert place.json("final.json")["outcome"] == "success"


def test_status_is_stopped_or_live(tmp_path: Path) -> None:
    root = tmp_path / "run"
    place = workplace(root)
    queued = summarize(root)
    assert (queued.status, queued.is_live, queued.is_stopped) == ("queued", False, True)
    with place.open() as run:
        held = summarize(root)
        assert (held.is_live, held.is_stopped) == (True, False)
        run.change_status(BOOTING)
        run.change_status(EXECUTING)
        run.record(PipelineStarted("line", "id", "hash", progress_to_record(Progress("plan"))))
        run.record(StageStarted("plan", 1), place=StageReference("plan", 1, 1))
        assert summarize(root).stage == "plan"
    dead = summarize(root)
    assert (dead.status, dead.is_live, dead.is_stopped) == ("executing", False, True)
    assert dead.stage == "plan"
    record = dead.to_record()
    assert (record["live"], record["stopped"], record["stage"]) == (False, True, "plan")
    assert str(record["written"]).startswith("20")


def test_live_check_does_not_lock_the_run(tmp_path: Path) -> None:
    place = workplace(tmp_path / "run")
    for _ in range(20):
        assert not summarize(tmp_path / "run").is_live
        place.open().close()


def test_outdated_run_json_is_reported(tmp_path: Path) -> None:
    root = tmp_path / "run"
    place = workplace(root)
    with place.open() as run:
        run.change_status(BOOTING)
        run.change_status(EXECUTING)
        stale = (root / "run.json").read_bytes()
        run.change_status(FAILED, "broken")
    # As if the process had been killed before it wrote run.json.
    (root / "run.json").write_bytes(stale)
    summary = summarize(root)
    assert (summary.status, summary.reason, summary.is_stopped) == ("failed", "broken", False)
    assert "is outdated" in summary.trouble
    assert summary.trouble_code is ExitCode.DONE
    place.open().close()
    assert place.json("run.json")["status"] == "failed"


def test_corrupt_journal_does_not_end_the_list(tmp_path: Path) -> None:
    runs_dir, [run_id] = make_runs(tmp_path, 1)
    journal = runs_dir / run_id / "events.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"made", b"mode"))
    (runs_dir / run_id / "checkpoint.json").unlink()
    [found] = list_runs(runs_dir)
    # No seal proves the content of run.json.
    assert (found.status, found.is_stopped) == ("unknown", False)
    assert "events.jsonl: line " in found.trouble
    assert found.trouble_code is ExitCode.BROKEN


@pytest.mark.parametrize(
    ("field", "lie"), [("status", "approved"), ("phase", "decision"), ("reason", "all is well")]
)
def test_forged_run_json_is_reported(tmp_path: Path, field: str, lie: str) -> None:
    root = tmp_path / "run"
    with workplace(root).open() as run:
        for status in (BOOTING, EXECUTING, FAILED):
            run.change_status(status)
    true = summarize(root)
    assert (true.trouble, true.trouble_code) == ("", ExitCode.DONE)
    record = json.loads((root / "run.json").read_text())
    (root / "run.json").write_text(json.dumps({**record, field: lie}))
    summary = summarize(root)
    assert (summary.status, summary.phase, summary.reason) == (true.status, true.phase, true.reason)
    assert "run.json says " in summary.trouble
    assert lie in summary.trouble
    assert "the journal says failed" in summary.trouble
    assert summary.trouble_code is ExitCode.BROKEN


def test_a_run_json_that_cannot_be_read_hides_nothing(tmp_path: Path) -> None:
    root = tmp_path / "run"
    with workplace(root).open() as run:
        run.change_status(BOOTING)
    (root / "run.json").write_text("{")
    summary = summarize(root)
    assert (summary.status, summary.trouble_code) == ("booting", ExitCode.BROKEN)
    assert "run.json" in summary.trouble


def test_a_manifest_that_cannot_be_read_hides_no_other_run(tmp_path: Path) -> None:
    runs_dir, ids = make_runs(tmp_path, 2)
    manifest = runs_dir / ids[1] / "manifest.json"
    for content in ("[]", "{", '{"format": 1}', None):
        manifest.unlink()
        if content is not None:
            manifest.write_text(content)
        damaged, whole = list_runs(runs_dir)
        assert (whole.run_id, whole.trouble) == (ids[0], "")
        assert (damaged.run_id, damaged.status) == (ids[1], "unknown")
        assert "manifest.json" in damaged.trouble
        assert damaged.trouble_code is not ExitCode.DONE
        assert find_run(ids[1], runs_dir).name == ids[1]
        assert find_run("latest", runs_dir).name == (ids[1] if content else ids[0])


def test_special_files_in_a_run_directory_end_no_list(tmp_path: Path) -> None:
    for number, name in enumerate(("manifest.json", "run.json", "events.jsonl", "checkpoint.json")):
        for how in ("pipe", "folder", "device"):
            root = tmp_path / f"R{number}{how}"
            workplace(root).run()
            (root / name).unlink()
            if how == "pipe":
                os.mkfifo(root / name)
            elif how == "folder":
                (root / name).mkdir()
            else:
                (root / name).symlink_to("/dev/zero")
    (tmp_path / "R0pipe" / "run.lock").unlink()
    os.mkfifo(tmp_path / "R0pipe" / "run.lock")
    workplace(tmp_path / "R").run()
    *odd, whole = list_runs(tmp_path)
    assert len(odd) == 12
    assert all("regular file" in one.trouble or "directory" in one.trouble for one in odd)
    assert (whole.directory.name, whole.trouble) == ("R", "")
