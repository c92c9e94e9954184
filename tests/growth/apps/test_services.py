"""Apps whose steps call services: twins in a rehearsal, undeclared calls, and settings."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from attractor.base.dataclasses import changed
from attractor.base.errors import Refused
from attractor.config.sections import SecretStr
from attractor.config.settings import GrowthSettings, ServiceSettings
from attractor.config.tables import read_section
from attractor.growth.apps.process import app_sandbox, running_app
from attractor.growth.apps.services import configured
from attractor.growth.errors import AppFailed
from attractor.growth.morph import read_morph
from attractor.growth.plans.plan import Plan, PlannedMorph
from attractor.growth.simulation.rehearse import rehearse
from attractor.growth.simulation.traffic import Conditions, Exchange, Recording, Request, Response
from attractor.growth.specification.document import read_document
from attractor.growth.specification.files import write_spec
from tests.growth.apps.small_app import write_with_bodies
from tests.pipeline.projects import adjusted, open_project

pytestmark = pytest.mark.anyio

SPEC = read_document(
    """
identity: {purpose: Plan deliveries}
evidence_policy: {sources: [Calendar, Slack]}
data_contracts: {entities: [{name: Delivery, fields: [title]}, {name: Fault, fields: [title]}]}
workflows:
  pipelines:
    - name: Plan
      steps:
        - {name: Book, reads: [Calendar], writes: [Delivery, Calendar]}
        - {name: Peek, reads: [Calendar], writes: [Fault]}
interface: {panels: [{name: Deliveries, shows: [Delivery]}, {name: Faults, shows: [Fault]}]}
"""
)
BODIES = {
    "steps/book": """
    farm = {'calendar': 'farm'}
    context.call('calendar', 'create_event', {**farm, 'title': 'Kale', 'start': '2026-01-02'})
    found = context.call('calendar', 'list_events', farm)['items']
    return {'delivery': [{'id': one['id'], 'title': one['title']} for one in found]}""",
    "steps/peek": """
    try:
        context.call('calendar', 'create_event', {'calendar': 'farm'})
    except Exception as error:
        return {'fault': [{'id': 'f', 'title': str(error)}]}""",
    "panels/deliveries": "return Panel('Deliveries', 2, records['delivery'])",
    "panels/faults": "return Panel('Faults', 1, records['fault'])",
}
OWN_TWIN = """
name = "calendar"
environ = { CALENDAR_URL = "{{ url }}", CALENDAR_TOKEN = "{{ key }}" }
auth = { kind = "bearer", key = "twin" }
collections.events.id = "event-{{ counter('events') }}"

[[state.events]]
id = "before"
title = "Beets"

[[routes]]
path = "/calendars/{calendar}/events"
kind = "list"
collection = "events"
json = { items = "{{ records }}" }

[[routes]]
method = "POST"
path = "/calendars/{calendar}/events"
kind = "create"
collection = "events"
"""


def write_own_twin(project: Path) -> None:
    """Give a project a twin of the calendar that has an event."""
    twin = project / "scenarios" / "_twins" / "calendar" / "twin.toml"
    twin.parent.mkdir(parents=True)
    twin.write_text(OWN_TWIN)


async def test_rehearsed_apps_call_fresh_twins_and_only_what_their_steps_declare(
    tmp_path: Path,
) -> None:
    tree = write_with_bodies(SPEC, tmp_path / "tree", BODIES)
    write_spec(SPEC, tree)
    adapters = sorted(one.name for one in (tree / "app" / "adapters").iterdir())
    assert adapters == ["__init__.py", "calendar.py", "http_client.py"]
    write_own_twin(tmp_path)
    morph = read_morph({"type": "set_preference", "name": "short notes"})
    plan = Plan("gp-1", SPEC, (PlannedMorph(morph, "app", morph.level, morph.risk),), (), "")
    conditions = Conditions.model_validate({"clock": "2026-05-05T06:00:00Z"})
    run = Exchange(request=Request(method="POST", path="/run/plan"), response=Response(status=200))
    found = await rehearse(
        plan,
        [Recording("week", conditions, {"delivery": ()}, (run,))],
        before=tree,
        after=tree,
        sandbox=await app_sandbox({}, hide=[]),
        project=tmp_path,
    )
    # The second app would see the event of the first one in a twin of both.
    assert found.will_change == ()
    page = found.pages["after"]
    assert [word in page for word in ("Beets", "event-1", "event-2")] == [True, True, False]
    assert "step peek calls calendar.create_event, which it does not declare" in page


async def test_app_without_the_address_of_a_service_does_not_start(tmp_path: Path) -> None:
    tree = write_with_bodies(SPEC, tmp_path / "tree", BODIES)
    with pytest.raises(AppFailed, match="missing setting CALENDAR_URL for the adapter calendar"):
        async with running_app(tree, tmp_path / "state"):
            pass


def test_deployed_app_gets_what_the_settings_say_and_nothing_of_other_variables(
    tmp_path: Path,
) -> None:
    service = ServiceSettings(url="https://calendar.example/v1")
    opened = open_project(tmp_path / "app", CALENDAR_TOKEN="of another program")
    opened = adjusted(opened, growth=GrowthSettings(adapters={"calendar": service}))
    with pytest.raises(Refused, match=r"growth.adapters.calendar.token is not set") as refused:
        configured(opened, ["calendar"])
    assert refused.value.hint == "set ATTRACTOR_GROWTH__ADAPTERS__CALENDAR__TOKEN"
    complete = changed(service, token=SecretStr("t"))
    opened = adjusted(opened, growth=GrowthSettings(adapters={"calendar": complete}))
    expected = {"CALENDAR_URL": "https://calendar.example/v1", "CALENDAR_TOKEN": "t"}
    assert configured(opened, ["calendar"]) == expected
    assert configured(opened, []) == {}


def test_mail_needs_a_server_and_a_sender_but_not_always_a_password(tmp_path: Path) -> None:
    def variables(name: str = "mail", **values: str) -> dict[str, str]:
        given = read_section(ServiceSettings, values)
        growth = GrowthSettings(adapters={name: given})
        return {**configured(adjusted(opened, growth=growth), [name])}

    opened = open_project(tmp_path / "app")
    mail = {"url": "smtp://mail.example:587", "sender": "street@mail.example"}
    url = "smtp://mail.example:587?sender=street@mail.example"
    assert variables(**mail) == {"MAIL_URL": url, "MAIL_TOKEN": ":"}
    found = variables(**mail, token="ada:secret")
    assert found == {"MAIL_URL": url, "MAIL_TOKEN": "ada:secret"}
    slack = {"name": "slack", "url": "smtps://mail.example", "token": "t"}
    for wrong, fault in (
        ({**mail, "url": ""}, "the app calls mail, and growth.adapters.mail.url is not set"),
        ({**mail, "sender": ""}, "the app calls mail, and growth.adapters.mail.sender is not set"),
        ({**mail, "url": "https://mail.example"}, "does not begin with smtp:// or smtps://"),
        ({**mail, "token": "secret"}, "growth.adapters.mail.token is not USER:PASSWORD"),
        (slack, "growth.adapters.slack.url does not begin with https:// or http://"),
    ):
        with pytest.raises(Refused, match=fault) as refused:
            variables(**wrong)
        assert "ATTRACTOR_GROWTH__ADAPTERS__" in str(refused.value.hint)
        assert "secret" not in str(refused.value)
    addresses = (
        "smtp://",
        "smtp://u@mail.example",
        "smtp://mail.example/x",
        "smtp://mail.example?a",
    )
    for address in (*addresses, "smtp://mail.example:99999", "smtpx://mail.example"):
        with pytest.raises(ValidationError, match="smtps://"):
            variables(**{**mail, "url": address})
    for sender in ("street", "a@b@mail.example", "a@mail.example\nBcc: b@mail.example"):
        with pytest.raises(ValidationError, match="write a mail address"):
            variables(**{**mail, "sender": sender})
