"""No operation and no page shows a word of a wrong solution to a token without the right."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from fastapi.routing import APIRoute

from attractor.factory.decisions.decide import DecisionKind
from attractor.server.access.limits import UNLIMITED
from attractor.server.application import PAGES, RESOURCES
from attractor.server.http.guard import OPEN_PATHS
from attractor.server.service import Service
from tests.factory.canaries import CANARIES, canaries_in, make_flow_with_canaries
from tests.server.conftest import PAGE, serving

ENDLESS = "/api/v1/worlds/events"
"""A stream of numbers of changes."""


def addresses(places: dict[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield every address that can be read, with the headers of its readers."""
    for registry, headers in ((RESOURCES, {}), (PAGES, PAGE)):
        for part in registry.values():
            for one in part.routes:
                if not isinstance(one, APIRoute) or one.path in (*OPEN_PATHS, ENDLESS):
                    continue
                if "GET" in (one.methods or ()):
                    path = re.sub(
                        r"{(\w+)(?::path)?}", lambda name: places.get(name[1], "none"), one.path
                    )
                    yield path, headers


def test_no_address_shows_a_wrong_solution_without_the_right(tmp_path: Path) -> None:
    flow = make_flow_with_canaries(tmp_path, run="cat missing.txt")
    run = flow.launch()
    flow.decide(run, DecisionKind.REJECTED)
    places = {"run": run.run_id, "id": run.run_id, "reference": "todo", "name": "todo"}
    places |= {"stage": "make", "rule": "dead_end", "project": "project"}
    state = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    shown: list[str] = []
    with (
        serving(Service.of(flow.project, state), limits=UNLIMITED) as server,
        server.client("read") as reader,
        server.client("decide") as decider,
    ):
        for path, headers in addresses(places):
            for query in ({}, {"operator": "true"}):
                answer = reader.get(path, headers=headers, params=query)
                assert canaries_in(answer.text) == [], path
                shown += [path] * (answer.status_code == 200)
        asked = [decider.get("/api/v1/suites/todo", params={"operator": one}) for one in (0, 1)]
    assert {"/api/v1/suites/todo", "/suites/todo", f"/runs/{run.run_id}/decision"} <= {*shown}
    assert [canaries_in(one.text) for one in asked] == [[], [*CANARIES]]
