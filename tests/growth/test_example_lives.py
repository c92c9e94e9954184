"""Examples grow from desires to a third version, in spite of a colliding wish, and back."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import httpx
import pytest

from attractor.growth.api import plans
from attractor.growth.building import shipped_example
from attractor.growth.control_plane import ControlPlane
from attractor.growth.crew.drafts import play_draft, read_drafts, start_app
from attractor.growth.deployment.requirements import NotDeployable, require_deployable
from attractor.growth.desires import UserDesire, read_desires_file
from attractor.growth.first_app.files import example_app
from attractor.growth.lineage import next_stage, read_stages, write_stage
from attractor.growth.plans.plan import Plan
from attractor.growth.specification.document import read_document
from attractor.growth.specification.files import write_spec
from attractor.twins.script.script import load_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from attractor.twins.services.service_twin import ServiceTwin
from tests.cli.test_grow_init import PARKED, AppDesk
from tests.counts import IS_FULL
from tests.growth.app import make_app
from tests.growth.example_lives import FARM, LIVES, OFFICE, Life, look, require_kept, use
from tests.growth.simulation.example_apps import write_example
from tests.growth.test_mail import letters, mail_twin
from tests.patience import PATIENCE_S
from tests.pipeline.projects import open_project

REFUSED = 4
each_life = pytest.mark.parametrize("life", LIVES, ids=[one.example for one in LIVES])
each_life_in_full = pytest.mark.parametrize("life", [FARM, OFFICE], ids=["farm", "office"])
"""The life of the street is lived in a browser: `tests/growth/test_street.py`."""


@contextmanager
def planned_life(life: Life, folder: Path) -> Generator[ControlPlane]:
    """Yield the control plane of an example whose models are its script."""
    example = shipped_example(life.example)
    graph = read_document((example / "spec.yaml").read_text())
    make_app(folder, graph, development=(example / "development.toml").read_text())
    with in_background(ProviderTwin(load_script(example / "twin.py"))) as twin:
        key, url = (twin.environ()[f"OPENAI_{one}"] for one in ("API_KEY", "BASE_URL"))
        yield ControlPlane(open_project(folder, OPENAI_API_KEY=key, OPENAI_BASE_URL=url))


def simulated(plane: ControlPlane, *desires: UserDesire) -> Plan:
    """Let the script plan desires, and simulate the plan without a build."""
    plan = str(plans.plan(plane, "HEAD", desires)["plan_id"])
    plans.simulate(plane, plan)
    assert plans.describe_simulation(plane, plan)["faults"] == []
    return plane.plans.load(plan)


def become(plane: ControlPlane, plan: Plan) -> None:
    """Make a plan the present version, as its deployment does, without code."""
    assert plans.check(plane, plan.id)["deployable"] is True
    write_spec(plan.result, plane.repository)
    write_stage(next_stage(read_stages(plane.repository), plan), plane.repository)
    plane.plans.drop(plan.id, "became the present version")


@each_life
def test_example_is_planned_to_a_third_version_that_works(life: Life, tmp_path: Path) -> None:
    with planned_life(life, tmp_path / "app") as plane:
        second, third = (one.wish for one in life.versions[1:])
        desires = read_desires_file(shipped_example(life.example) / "desires.json")
        become(plane, simulated(plane, *desires))
        become(plane, simulated(plane, UserDesire(goal=second)))
        last = simulated(plane, UserDesire(goal=third))
        other = simulated(plane, UserDesire(goal=life.colliding))
        found = cast("list[dict[str, str]]", plans.check(plane, other.id)["collisions"])
        [remedy] = [one["remedy"] for one in found]
        with pytest.raises(NotDeployable, match=f"collides with {last.id}") as refused:
            require_deployable(plane, other)
        assert remedy == f"attractor grow drop {last.id}"
        assert remedy in refused.value.hint
        plans.drop(plane, other.id)
        become(plane, last)
    tree = tmp_path / "tree"
    write_spec(last.result, tree)
    write_example(life.example, tree, last.result)
    asyncio.run(live_through(life, tree))


async def live_through(life: Life, tree: Path) -> None:
    """Use the third version for all that people did with each version, and play its holdouts."""
    async with start_app(tree, datetime.now(UTC)) as client:
        for version in life.versions:
            await use(client, version)
        await look(client, life.versions[-1])
        await require_kept(client, life.versions)
    for draft in example_app(life.example, "app").holdouts:
        assert await play_draft(tree, draft) == []


@each_life
def test_each_wish_has_bodies_and_a_proposal_of_its_own(life: Life) -> None:
    folder = shipped_example(life.example)
    later = {one.stem: json.loads(one.read_text()) for one in folder.glob("later/*.json")}
    wishes = [one.wish for one in life.versions[1:]] + [life.colliding]
    begin = json.dumps(json.loads((folder / "desires.json").read_text())).lower()
    found = [
        [name for name, one in later.items() if any(word in wish for word in one["words"])]
        for wish in (begin, *(json.dumps({"goal": one}).lower() for one in wishes))
    ]
    assert [len(one) for one in found] == [0, 1, 1, 1]
    assert sorted(name for [name] in found[1:]) == sorted(later)
    assert read_drafts(folder / "holdouts.json")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[AppDesk]:
    desk = AppDesk(tmp_path)
    yield desk
    desk.do("grow", "stop")
    desk.end()


@contextmanager
def services(life: Life) -> Generator[tuple[dict[str, str], ServiceTwin]]:
    """Yield the variables of the models and of a mail server, and that server."""
    script = load_script(shipped_example(life.example) / "twin.py")
    with in_background(ProviderTwin(script)) as models, mail_twin() as server:
        given = server.environ()
        url, _, sender = given["MAIL_URL"].partition("?sender=")
        settings = {"URL": url, "SENDER": sender, "TOKEN": given["MAIL_TOKEN"]}
        named = {f"ATTRACTOR_GROWTH__ADAPTERS__MAIL__{key}": one for key, one in settings.items()}
        yield {**models.environ(), **named}, server


def expect(desk: AppDesk, code: int, *words: str) -> str:
    """Run a command; return what it says on the way to an exit status."""
    ended = desk.do(*words)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stderr


def plan_wish(desk: AppDesk, wish: str) -> str:
    """Plan a wish for the present version; return the plan."""
    desires = desk.folder / "desires.json"
    desires.write_text(json.dumps([{"goal": wish}]))
    return str(desk.answer("grow", "plan", "--desires", str(desires))["plan_id"])


def deploy(desk: AppDesk, plan: str) -> None:
    """Deploy a simulated plan, with the decision of a person."""
    expect(desk, PARKED, "grow", "deploy", plan)
    desk.decide()
    expect(desk, 0, "grow", "deploy", plan)


def visit(desk: AppDesk, stage: str, act: Callable[[httpx.AsyncClient], Awaitable[None]]) -> None:
    """Use the running app, which has this version."""
    opened = desk.answer("grow", "open")
    assert opened["running"] == stage

    async def work() -> None:
        async with httpx.AsyncClient(base_url=opened["url"], timeout=PATIENCE_S) as client:
            await act(client)

    asyncio.run(work())


@pytest.mark.skipif(not IS_FULL, reason="builds three versions of an app; set COUNTS=full")
@each_life_in_full
def test_example_lives_to_a_third_version_and_goes_back(life: Life, desk: AppDesk) -> None:
    first, second, third = life.versions
    with services(life) as (desk.models, mail):
        begun = desk.answer("grow", "init", "--example", life.example)
        plan = str(desk.answer("grow", "plan", begun["spec_graph_id"])["plan_id"])
        expect(desk, 0, "grow", "simulate", plan)
        deploy(desk, plan)
        visit(desk, "v0", lambda client: use(client, first))
        plan = plan_wish(desk, second.wish)
        expect(desk, 0, "grow", "simulate", plan)
        deploy(desk, plan)
        visit(desk, "v0-2", lambda client: require_kept(client, [first]))
        visit(desk, "v0-2", lambda client: use(client, second))
        plan = plan_wish(desk, third.wish)
        expect(desk, 0, "grow", "simulate", plan)
        refuse_colliding(desk, plan, plan_wish(desk, life.colliding))
        deploy(desk, plan)
        visit(desk, "v0-3", lambda client: require_kept(client, [first, second]))
        visit(desk, "v0-3", lambda client: use(client, third))
        visit(desk, "v0-3", lambda client: look(client, third))
        assert len(letters(mail)) == life.letters
        expect(desk, PARKED, "grow", "rollback")
        desk.decide()
        expect(desk, 0, "grow", "rollback")
        visit(desk, "v0-4", lambda client: require_kept(client, [first, second]))
        visit(desk, "v0-4", lambda client: look(client, second))
        expect(desk, 0, "audit", "verify")


def refuse_colliding(desk: AppDesk, plan: str, other: str) -> None:
    """Require that neither of two plans is deployed until a printed command has dropped one."""
    expect(desk, 0, "grow", "simulate", other)
    assert f"attractor grow drop {plan}" in expect(desk, REFUSED, "grow", "deploy", other)
    printed = f"attractor grow drop {other}"
    assert printed in expect(desk, REFUSED, "grow", "deploy", plan)
    expect(desk, 0, *printed.split()[1:])
