"""A worker that starts before its database waits for it, and ends on a signal."""

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from attractor.fleet.fleet import Addresses
from attractor.fleet.workers import serving
from attractor.fleet.workers.serving import ServingWorker, WorkerPlan
from tests.patience import until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("is_found", [True, False])
async def test_worker_waits_for_its_database_and_says_so(
    is_found: bool, tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "BEAT_S", 0.05)
    told: list[tuple[str, dict[str, str]]] = []
    database = tmp_path / "later" / "fleet.sqlite"
    plan = WorkerPlan(
        addresses=Addresses(f"sqlite:///{database}", str(tmp_path / "store"), ""),
        folder=tmp_path / "state",
        pool="p",
        slots=1,
        labels=(),
        environ={"PATH": os.environ["PATH"]},
    )

    def tell(happened: str, **details: str) -> None:
        told.append((happened, details))

    worker = ServingWorker(plan, tell)
    served = asyncio.create_task(worker.serve())
    try:
        await until(lambda: told)
        assert "no folder" in told[0][1]["error"]
        if is_found:
            await asyncio.sleep(0.2)
            database.parent.mkdir()
            shutil.copy(sqlite_template, database)
            await until(lambda: len(told) > 1)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        code = await served
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
    assert code is ExitCode.DONE
    ends = ["ready", "draining", "left"] if is_found else []
    assert [happened for happened, _ in told] == ["waiting for the database", *ends]
