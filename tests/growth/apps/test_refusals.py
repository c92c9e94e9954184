"""A rule of an app says no to a person, and nothing is written."""

from pathlib import Path

from attractor.growth.api.plans import describe_plan, plan_proposal
from attractor.growth.plans.plan import read_proposal
from attractor.growth.specification.document import read_document
from tests.growth.app import make_app
from tests.growth.apps.small_app import write_with_bodies
from tests.growth.apps.test_pages import records, served

TEXT = """
identity: {purpose: Book repairs}
data_contracts:
  entities: [{name: Booking, fields: [{name: Guest, key: true}, {name: Day}]}]
workflows:
  pipelines: [{name: Booking, steps: [{name: At most two, reads: [Booking], writes: [Booking]}]}]
  triggers: [{name: New, reads: [Booking], runs: [Booking]}]
"""
BODY = """from app.contract import NotAllowed
    if len(records['booking']) > 2:
        raise NotAllowed('<b>Full</b> ' + 'x' * 400, field='day')
    if any(one['day'] == 'never' for one in records['booking']):
        raise NotAllowed('Closed.')
    return {'booking': records['booking']}"""


def test_refusal_stands_beside_its_field_and_nothing_is_written(tmp_path: Path) -> None:
    tree = write_with_bodies(read_document(TEXT), tmp_path, {"steps/at_most_two": BODY})
    with served(tree) as client:
        for guest in ("Ann", "Bob"):
            assert "Added Booking." in client.post("/records/booking", data={"guest": guest}).text
        page = client.post("/records/booking", data={"guest": "Cy", "day": "Monday"})
        assert page.status_code == 409
        text = "&lt;b&gt;Full&lt;/b&gt; " + "x" * (300 - len("<b>Full</b> "))
        assert f'<p class="wrong" id="f-day-fault">{text}</p>' in page.text
        assert 'value="Cy"' in page.text
        assert 'value="Monday"' in page.text
        answer = client.post("/data/booking", json={"guest": "Cy"})
        assert (answer.status_code, answer.json()["field"]) == (409, "day")
        assert len(answer.json()["error"]) == 300
        page = client.post("/records/booking/Ann", data={"guest": "Ann", "day": "never"})
        assert (page.status_code, "<p>Closed.</p>" in page.text) == (409, True)
        csv = client.post("/new/booking/csv/add", data={}, files={"file": ("b", "guest\nDi\n")})
        assert "Nothing was added." in csv.text
        assert "<li>&lt;b&gt;Full" in csv.text
        assert [(one["guest"], one["day"]) for one in records(client, "booking")] == [
            ("Ann", None),
            ("Bob", None),
        ]
        counts = client.get("/telemetry").json()["at_most_two"]
        assert (counts["runs"], counts["errors"]) == (6, 0)
        assert "Full" not in client.get("/telemetry").text


def test_run_that_calls_a_service_cannot_refuse_and_the_plan_says_so(tmp_path: Path) -> None:
    calling = TEXT.replace("writes: [Booking]", "writes: [Booking, Slack]")
    graph = read_document(f"{calling}evidence_policy: {{sources: [Slack]}}")
    app = make_app(tmp_path / "app", graph)
    morphs = {"morphs": [{"type": "set_preference", "name": "Kind words"}], "tests": []}
    plan = describe_plan(app, str(plan_proposal(app, "HEAD", read_proposal(morphs))["plan_id"]))
    line = "trigger new: at_most_two may call a service, so no step of it can refuse a record"
    assert plan["without_refusal"] == [line]
    tree = write_with_bodies(graph, tmp_path / "tree", {"steps/at_most_two": BODY})
    with served(tree, SLACK_URL="http://127.0.0.1:1", SLACK_TOKEN="t") as client:
        answer = client.post("/data/booking", json={"guest": "Ann", "day": "never"})
        assert (answer.status_code, records(client, "booking")) == (500, [])
        assert answer.json() == {
            "error": "booking_pipeline may call a service, so it cannot refuse"
        }
