"""Instructions in records never reach a model: of CSV files, and of deliveries to a hook.

An app receives no letters, so nobody can hide an instruction in one; a program that reads mail
delivers it to a hook.
"""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from attractor.growth.api.plans import describe_simulation, plan, simulate
from attractor.growth.control_plane import ControlPlane
from attractor.growth.deployment.release import Releases
from attractor.growth.desires import UserDesire
from attractor.growth.lineage import next_stage, write_stage
from attractor.growth.specification.files import read_spec
from attractor.twins.pytest_plugin import StartTwin, provider_twin as provider_twin
from tests.growth.app import make_app
from tests.growth.apps.small_app import write_with_bodies
from tests.growth.apps.test_csv_files import send
from tests.growth.apps.test_hooks import BODIES, HOOKED, SECRET, post
from tests.growth.apps.test_pages import records, served
from tests.growth.model import objects, project_with_model
from tests.growth.plans.test_hidden_feedback import HOSTILE, ORDERS, release
from tests.growth.test_lineage import plan_of
from tests.pipeline.projects import git

WEATHER = {"morphs": [{"type": "add_source", "name": "weather"}], "tests": []}
FIELDS: Sequence[str] = ("name", "kind", "note")


def rows(source: str) -> list[dict[str, str]]:
    return [
        dict(zip(FIELDS, (f"{source} {number}", "hand", words), strict=True))
        for number, words in enumerate(HOSTILE)
    ]


def csv_of(records: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS)
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def test_instructions_in_csv_cells_and_deliveries_reach_no_model_and_deploy_nothing(
    provider_twin: StartTwin, tmp_path: Path
) -> None:
    assert len(HOSTILE) >= 30
    twin = provider_twin(objects(WEATHER))
    made = make_app(tmp_path / "app", HOOKED)
    write_stage(next_stage([], plan_of()), made.repository)
    git(made.repository, "add", "--all")
    git(made.repository, "commit", "--quiet", "--message", "Seed")
    app = ControlPlane(project_with_model(twin, made.repository))
    current = release(app).current
    assert current
    write_with_bodies(HOOKED, current.tree, BODIES)
    before = app.specs.of_repository()
    with served(current.tree, APP_STATE=str(current.state), HOOK_SHOP_SECRET=SECRET) as client:
        assert "Added 36 to Tool." in send(client, "tool", csv_of(rows("csv")), add=True).text
        for one in rows("hook"):
            assert post(client, "shop", one).status_code == 201
        stored = json.dumps(records(client, "tool"), ensure_ascii=False)
    assert all(stored.count(order) == 2 * len(HOSTILE) // len(ORDERS) for order in ORDERS)

    plan_id = str(plan(app, "HEAD", [UserDesire(goal="know the weather")])["plan_id"])
    simulate(app, plan_id)
    seen = cast("Any", describe_simulation(app, plan_id))
    assert seen["migration"]["running"]["records"] == 2 * len(HOSTILE)
    sent = json.dumps([one.body for one in twin.requests], ensure_ascii=False)
    assert "know the weather" in sent
    for order in ORDERS:
        assert order not in sent
        assert order not in json.dumps(seen, ensure_ascii=False)
    [waiting] = app.plans.open_plans()
    assert (waiting.id, app.plans.state(waiting)) == (plan_id, "simulated")
    assert app.specs.of_repository() == before == read_spec(current.tree)
    running = Releases(app.releases).current
    assert running
    assert running.record.stage == "v0"
