"""The records of a running app are backed up, checked by opening, and restored."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from attractor.base.errors import Refused
from attractor.growth.api.deployments import backup, restore, start_app
from attractor.growth.errors import InvalidState
from tests.counts import count
from tests.examples import ROOT
from tests.growth.deployment.living import Living, make_released

KILLS = count(ci=2, full=20)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Living]:
    app = make_released(tmp_path / "app", is_generated=True)
    start_app(app.plane)
    yield app
    app.stop()


def test_records_are_restored_and_those_before_are_kept(app: Living, tmp_path: Path) -> None:
    file = tmp_path / "kept" / "monday.json"
    before = app.records()
    made = backup(app.plane, file)
    assert (made["records"]["block"], file.stat().st_mode & 0o777) == (1, 0o600)  # pyright: ignore
    app.post("/data/block", {"id": "b2", "crop": "oats"})
    after = app.records()
    assert len(after) == len(before) + 1
    restored = restore(app.plane, file)
    assert app.records() == before
    restore(app.plane, Path(str(restored["replaced"])))
    assert app.records() == after
    with pytest.raises(Refused, match="exists"):
        backup(app.plane, file)


@pytest.mark.parametrize("seed", range(KILLS))
def test_killed_restore_leaves_the_old_records_or_the_restored_ones(
    app: Living, tmp_path: Path, seed: int
) -> None:
    file = tmp_path / "backup.json"
    backup(app.plane, file)
    kept = app.records()
    app.post("/data/block", {"id": "b2", "crop": "oats"})
    written = app.records()
    code = (
        "from pathlib import Path; from attractor.growth.api.deployments import restore; "
        "from tests.growth.deployment.living import Living; "
        f"restore(Living(Path({str(app.folder)!r})).plane, Path({str(file)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=random.Random(seed).uniform(1.5, 5))
    process.kill()
    process.wait()
    start_app(app.plane, is_again=True)
    assert app.records() in (kept, written)


def damaged(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "records": {**record["records"], "block": ""}}


def older(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "spec_hash": "0" * 64, "stage": "v0-0"}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [(damaged, InvalidState, "damaged"), (older, Refused, "of v0-0, whose records v0 cannot keep")],
)
def test_wrong_backup_is_refused_while_the_app_runs(
    app: Living, tmp_path: Path, change: Any, error: type[Exception], words: str
) -> None:
    file = tmp_path / "backup.json"
    backup(app.plane, file)
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    process, records = app.url, app.records()
    with pytest.raises(error, match=words):
        restore(app.plane, file)
    assert (app.url, app.records()) == (process, records)
