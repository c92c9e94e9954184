"""Pictures of the pages of a rehearsed app, in the real Chromium."""

import os
from pathlib import Path

import pytest

from attractor.growth.apps.process import app_sandbox
from attractor.growth.simulation.pictures import take_pictures
from tests.counts import IS_FULL
from tests.needs import needs

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not IS_FULL, reason="at full counts only: Chromium is slow"),
    needs("chromium"),
]


async def test_pages_become_pictures(tmp_path: Path) -> None:
    (tmp_path / "chromium").mkdir()
    environment = (await app_sandbox(os.environ, hide=[])).make(tmp_path / "chromium")
    await environment.initialize()
    try:
        pages = {"before": "<h1>Farm</h1>", "after": "<h1>Farm</h1><p>Invoices</p>"}
        assert await take_pictures(pages, tmp_path, environment) == ""
    finally:
        await environment.cleanup()
    pictures = [(tmp_path / f"{name}.png").read_bytes() for name in pages]
    assert [one[:4] for one in pictures] == [b"\x89PNG"] * 2
    assert pictures[0] != pictures[1]
