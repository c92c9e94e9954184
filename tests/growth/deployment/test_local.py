"""The release target `local`: a keeper and an app, as processes of this machine."""

import json
import os
import signal
import time
from pathlib import Path
from urllib.error import URLError

import pytest

from attractor.growth.deployment.targets import local
from tests.growth.deployment.living import make_released


def test_keeper_runs_due_pipelines_and_its_orphan_is_ended(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    folder = app.releases.folder
    (folder / "cadence.json").write_text(json.dumps({"contract_allocation": 0}))
    try:
        url = local.start(app.releases, os.environ)
        assert local.start(app.releases, os.environ) == url
        current = app.releases.current
        assert current
        # The specification says nightly, and the pipeline ran long ago.
        until = time.monotonic() + 60
        while not json.loads((folder / "cadence.json").read_text())["contract_allocation"]:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert (current.state / "ran").read_text() == "/run/contract_allocation"
        keeper = json.loads((folder / "keeper.json").read_text())["pid"]
        os.kill(keeper, signal.SIGKILL)
        # The app outlives its keeper, and would write into a state that was already copied.
        assert app.get("/health")["ok"]
        with local.drained(app.releases), pytest.raises(URLError):
            app.get("/health")
        assert local.start(app.releases, os.environ) == url
        assert app.get("/health")["ok"]
    finally:
        app.stop()
