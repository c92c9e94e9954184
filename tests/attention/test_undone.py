"""What was left out or seen is shown again; requests that name no row change nothing."""

from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from attractor.engine.run_folder.layout import RunDirectory
from attractor.records.delivery import read_delivery
from attractor.server.service import Service
from attractor.worlds.process import ActorProcess
from tests.attention.sources.test_stopped_runs import run_and_kill
from tests.attention.test_every_kind import World, plain
from tests.attention.test_reading import FAILS
from tests.server.conftest import quick, serving
from tests.worlds.desks import SLOW, PlacedDesk, desk
from tests.worlds.flows import actor_in, send_to

__all__ = ["desk"]


def failed_twice(folder: Path) -> World:
    world = plain(folder)
    file = world.opened.project.root / "fails.dot"
    file.write_text(FAILS.format(status=7))
    for name in ("one", "two"):
        actor = actor_in(world.opened, name, pipeline=str(file))
        send_to(actor, world.opened, "test it")
        ActorProcess(actor, world.opened).work(linger_s=0.05)
    return world


def post(client: httpx.Client, row: str, what: str, **body: object) -> int:
    place = f"/api/v1/attention/{quote(row, safe='')}/{what}"
    return client.post(place, json=body or None).status_code


def test_snoozed_cause_and_its_tasks_are_woken_and_odd_requests_change_nothing(
    tmp_path: Path,
) -> None:
    world = failed_twice(tmp_path)
    service = quick(Service.of(world.opened.project.root, world.environ))
    with serving(service) as server, server.client() as client:

        def rows() -> list[str]:
            return [one["name"] for one in client.get("/api/v1/attention").json()]

        [group] = client.get("/api/v1/attention").json()
        tasks = [one["id"] for one in group["rows"]]
        # Neither actor was ever marked as seen.
        assert post(client, "answered:", "wake") == 404
        assert post(client, "nonsense", "settle", choice="seen", rows=tasks) == 404
        assert rows() == ["2 tasks"]
        assert post(client, group["id"], "snooze", duration="1h") == 204
        assert (rows(), world.do("snooze", "--list")) == ([], 0)
        assert post(client, group["id"], "wake") == 204
        assert rows() == ["2 tasks"]
        assert post(client, tasks[0], "snooze", duration="1h") == 204
        assert rows() == ["two"]
        assert world.do("snooze", "--wake", "one") == 0
        assert post(client, tasks[0], "settle", choice="seen") == 200
        assert rows() == ["two"]
        assert post(client, tasks[0], "wake") == 204
        assert rows() == ["2 tasks"]
    (world.state / "snoozed.json").write_text("{")
    assert world.do("attention") == 3


MAKES = SLOW.replace(
    "start -> nap",
    """make [shape=parallelogram, tool_command="date > it"]
  start -> make -> nap""",
)


@pytest.mark.parametrize("by_command", [True, False])
def test_killed_run_that_is_canceled_from_its_row_delivers_its_result(
    desk: PlacedDesk, by_command: bool
) -> None:
    desk.write(MAKES)
    directory = RunDirectory(run_and_kill(desk))
    assert read_delivery(directory).patch is None
    if by_command:
        assert "canceled" in desk.type("cancel\n", "attention", "next")
    else:
        with serving(Service.of(desk.place, desk.environ)) as server, server.client() as client:
            [row] = client.get("/api/v1/attention").json()
            assert post(client, row["id"], "settle", choice="cancel") == 200
    assert read_delivery(directory).patch
