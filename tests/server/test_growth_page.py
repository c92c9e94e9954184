"""A person reads specifications, plans and the lineage of an app, answers and adds a desire."""

import html
import os
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from attractor.growth.api import plans
from attractor.growth.control_plane import ControlPlane
from attractor.growth.lineage import next_stage, write_stage
from attractor.growth.plans.plan import read_proposal
from attractor.growth.simulation.report import (
    Rehearsal,
    WillChange,
    save_simulation,
    simulations_of,
)
from attractor.server.pages.growth import lineage_diagram
from attractor.server.service import Service
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.browsers import chromium
from tests.growth.app import PROPOSAL, make_app
from tests.growth.model import objects
from tests.growth.seed import farm
from tests.growth.test_lineage import plan_of
from tests.pipeline.projects import git
from tests.server.conftest import PAGE, RunningServer, serving

Axe: Any = import_module("axe_playwright_python.sync_playwright").Axe

SCRIPT = "<script>alert(1)</script>"
OPEN = farm(
    ('"Packlists"', '"Packlists for [NEEDS CLARIFICATION: whom?]"'),
    ("RFC style notes", SCRIPT),
)
CALENDAR = {"type": "add_source", "name": "Calendar"}
LOOK = {"type": "add_step", "name": "Look", "after": "yield_forecast", "reads": ["calendar"]}
DROP = {"type": "drop_field", "entity": "Block", "field": "plant_count", "erase": True}
ADDRESS = "https://calendar.example/v1"
SETTING = "ATTRACTOR_GROWTH__ADAPTERS__CALENDAR__"
ADD = {"type": "add_field", "entity": "Block", "name": "soil", "default": "loam"}


class Farm:
    """The server of an app with two plans that collide, and the model as a twin."""

    def __init__(self, server: RunningServer, plane: ControlPlane) -> None:
        self.server, self.plane = server, plane
        self.plans: list[str] = []
        for morphs in ([DROP], [DROP, ADD, CALENDAR, LOOK]):
            proposal = read_proposal({"morphs": morphs, "tests": [f"Shows {SCRIPT}"]})
            made = plans.plan_proposal(plane, "HEAD", proposal)
            self.plans.append(str(made["plan_id"]))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    folder = tmp_path_factory.mktemp("growth_page")
    plane = make_app(folder / "app", OPEN)
    write_stage(next_stage([], plan_of()), folder / "app")
    git(folder / "app", "add", "--all")
    git(folder / "app", "commit", "--quiet", "--message", "Seed")
    with in_background(ProviderTwin(objects(PROPOSAL))) as twin:
        environ = twin.environ()
        model = {name: environ[name] for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL")}
        state = {"ATTRACTOR_STATE_DIR": str(folder / "state"), "PATH": os.environ["PATH"]}
        calls = {f"{SETTING}URL": ADDRESS, f"{SETTING}TOKEN": "token-of-the-calendar"}
        with serving(Service.of(plane.repository, {**state, **model, **calls})) as server:
            yield Farm(server, plane)


def test_desire_is_added_answered_and_planned_by_forms(app: Farm) -> None:
    with app.server.client("operate") as client:
        client.headers.update(PAGE)
        client.follow_redirects = True
        form = {"node": "packlists_for", "text": "buyers"}
        answered = client.post("/growth/specs/HEAD/answer", data=form)
        assert "Answered the question about packlists_for." in answered.text
        assert "whom?" not in answered.text
        address = str(answered.url.path)
        refused = client.post(f"{address}/desires", data={"goal": " "})
        assert "goal: string should have at least 1 character" in refused.text
        form = {"goal": "serve tuesday first", "constraints": "phi compliant\r\nfair\r\n"}
        added = client.post(f"{address}/desires", data=form)
        assert "constraints: phi compliant; fair" in added.text
        assert "Plan for its desires" in added.text
        planned = client.post(f"{added.url.path}/plan")
        assert "serve tuesday first" in planned.text.partition(">Morphs</h2>")[0]


def test_plan_shows_collision_simulation_and_pictures(app: Farm) -> None:
    id_, other = app.plans
    with app.server.client("operate") as client:
        client.headers.update(PAGE)
        listed = client.get("/growth").text
        assert f"attractor grow drop {other}" in listed
        assert f'collides with <a href="/growth/plans/{other}">' in listed
        shown = client.post(f"/growth/plans/{id_}/simulate", follow_redirects=True).text
        for words in ("irreversible", "May change", "Recorded state", "Text for the review"):
            assert words in shown
        assert ">Deploy<" not in shown
        refused = client.post(f"/growth/plans/{id_}/deploy", follow_redirects=True).text
        assert 'role="alert"' in refused
        assert "Deployment</h2>" not in refused
        pictures = re.findall(r'<img src="([^"]+)"', shown)
        for one in pictures:
            picture = client.get(one)
            assert picture.headers["content-type"] == "image/svg+xml"
            assert "sandbox" in picture.headers["content-security-policy"]
        assert len(pictures) == 2
        folder = pictures[0].rpartition("/")[0]
        for name in ("report.json", "..%2freport.json", "none.svg"):
            assert client.get(f"{folder}/{name}").status_code == 404


def test_plan_lists_the_services_that_its_app_calls(app: Farm) -> None:
    with app.server.client("read") as client:
        shown = client.get(f"/growth/plans/{app.plans[1]}", headers=PAGE).text
    assert f'<li>calendar: <span class="mono">{ADDRESS}</span></li>' in shown
    assert "token-of-the-calendar" not in shown


def test_rehearsal_with_an_unexpected_change_offers_no_deployment(app: Farm) -> None:
    id_ = app.plans[1]
    folder = app.plane.plans.folder_of(id_)
    with app.server.client("operate") as client:
        client.post(f"/growth/plans/{id_}/simulate")
        report = simulations_of(folder, app.plane.plans.load(id_).hash)[0]
        change = WillChange(request="GET /data/block", change="status 500", is_expected=False)
        rehearsal = Rehearsal(run_id="RUN1", tree="0" * 40, will_change=(change,))
        place = folder / "simulation" / report.simulation_id
        misfits = tuple(f"block/b{number}: crop is not of type date" for number in range(21))
        moved = report.migration.model_copy(update={"misfits": misfits})
        changed = {"rehearsal": rehearsal, "migration": moved}
        save_simulation(report.model_copy(update=changed), place)
        shown = client.get(f"/growth/plans/{id_}", headers=PAGE).text
        # The output of a repeated rehearsal is this record, from which the server reads the run.
        assert plans.describe_simulation(app.plane, id_)["run_id"] == "RUN1"
    assert "GET /data/block changes, which the plan does not say: status 500" in shown
    assert f"<li>{misfits[19]}</li></ul>" in shown
    assert '<p class="muted">and 1 more in the report</p>' in shown
    assert '<a class="mono" href="/runs/RUN1">' in shown
    assert ">Deploy<" not in shown


def test_corrupt_plan_is_listed_with_its_remedy(app: Farm) -> None:
    id_, other = app.plans
    file = app.plane.plans.folder_of(id_) / "plan.json"
    whole = file.read_text()
    file.write_text("{")
    with app.server.client("read") as client:
        listed = client.get("/growth", headers=PAGE).text
    file.write_text(whole)
    for words in ("corrupt", f"attractor grow drop {id_}", f'href="/growth/plans/{other}"'):
        assert words in listed


def test_script_in_a_name_stays_text(app: Farm) -> None:
    with app.server.client("read") as client:
        for mode in ("flowchart", "mindmap", "board"):
            text = client.get("/growth/specs/HEAD", params={"mode": mode}, headers=PAGE).text
            assert (SCRIPT in text, html.escape(SCRIPT) in text) == (False, True)
        plan = client.get(f"/growth/plans/{app.plans[0]}", headers=PAGE).text
        assert (SCRIPT in plan, html.escape(SCRIPT) in plan) == (False, True)
        assert client.get("/growth/specs/HEAD?mode=poster", headers=PAGE).status_code == 400


def test_reading_token_changes_nothing(app: Farm) -> None:
    with app.server.client("read") as client:
        for to in ("specs/HEAD/plan", *(f"plans/{app.plans[1]}/{one}" for one in ORDERS)):
            assert client.post(f"/growth/{to}").status_code == 403


ORDERS = ("simulate", "rehearse", "deploy")


def test_project_without_an_app_shows_how_to_begin(server: RunningServer) -> None:
    with server.client("read") as client:
        for address in ("/growth", "/growth/lineage"):
            assert "attractor spec normalize" in client.get(address, headers=PAGE).text


def test_pages_fit_and_are_accessible(app: Farm) -> None:
    with app.server.client("operate") as client:
        client.post(f"/growth/plans/{app.plans[0]}/simulate")
    pages = ("", "/specs/HEAD", f"/plans/{app.plans[0]}", "/lineage", f"/plans/{app.plans[1]}")
    faults: list[str] = []
    folder = os.environ.get("SCREENSHOTS", "")
    with chromium() as screen:
        page = screen.page
        page.goto(f"{app.server.url}/login?code={app.server.service.access.codes.create()}")
        for number, name in enumerate(pages):
            looks = [(390, "dark"), (1280, "light"), (390, "light"), (1280, "dark")]
            for width, scheme in looks if folder else looks[number % 2 : number % 2 + 1]:
                page.set_viewport_size({"width": width, "height": 844})
                page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
                page.goto(f"{app.server.url}/growth{name}")
                if folder:
                    page.screenshot(path=f"{folder}/{number}-{width}-{scheme}.png", full_page=True)
                found: Any = Axe().run(page).response
                faults += [f"{name}: {one['id']}: {one['nodes']}" for one in found["violations"]]
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    faults.append(f"{name}: wider than {width} pixels")
    assert faults == []


def test_lineage_is_drawn_with_big_steps_and_returns() -> None:
    kinds = [("v0", "seed", ""), ("v1-0", "major", "v0"), ("v1-1", "minor", "v1-0")]
    stages = [{"version": one, "kind": kind, "parent": parent} for one, kind, parent in kinds]
    drawn = lineage_diagram([*stages[:2], {**stages[2], "returns_to": "v0"}])
    assert drawn.boxes["v1-0"] == "major v1-0"
    lines = {(one.source, one.target): one.label for one in drawn.lines}
    assert lines == {
        ("v0", "v1-0"): "major",
        ("v1-0", "v1-1"): "",
        ("v1-1", "v0"): "returns to",
    }
