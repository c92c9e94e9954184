"""A person reads the attempts of a race in the browser."""

import asyncio
import os
from pathlib import Path

from attractor.factory.operations.race import begin_race
from attractor.factory.operations.race_process import walk_attempt
from attractor.server.service import Service
from tests.factory.flows import make_flow
from tests.pipeline.projects import simulated
from tests.server.conftest import PAGE, serving


def test_page_of_a_race_is_linked_from_its_attempts(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    request = simulated(flow.project, suite="todo", profile="lenient")
    begun = asyncio.run(begin_race([request], flow.opened, attempts=2, at_once=1, by="ann"))
    walk_attempt(begun.attempts[0], begun, flow.opened)
    state = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    with serving(Service.of(flow.project, state)) as server, server.client("read") as client:
        page = client.get("/races/latest", headers=PAGE).text
        assert [one.run_id in page for one in begun.attempts] == [True, False]
        for words in ("not ended", "1 of 1", "go", "not begun", "2 attempts with this suite"):
            assert words in page, words
        address = f"/runs/{begun.attempts[0].run_id}/decision"
        assert f'href="{address}' in page
        assert f'href="/races/{begun.race_id}' in client.get(address, headers=PAGE).text
