"""Routes of an app, and the nodes downstream of a change."""

from attractor.growth.apps.routes import downstream, nodes_of_request, operations_of, routes
from attractor.growth.specification.document import read_document
from tests.tables import table

SPEC = read_document(
    """
identity: {purpose: Harvest}
data_contracts:
  entities: [{name: Block, fields: [crop]}, {name: Harvest, fields: [kilos]}, {name: Mail}]
workflows:
  pipelines:
    - name: Nightly
      steps: [{name: Weigh, reads: [block.crop]}, {name: Allocate, writes: [Harvest]}]
    - {name: Post, steps: [{name: Send, reads: [Mail, Calendar], writes: [Slack]}]}
    - {name: Look, steps: [{name: Watch, reads: [Slack]}]}
  outputs: [{name: Packlist, reads: [Harvest]}]
evidence_policy: {sources: [Calendar, Slack, Almanac]}
interface:
  panels: [{name: Brief, shows: [Packlist]}, {name: Inbox, shows: [Mail]}]
safety: {guardrails: [{name: Be kind, guards: [Allocate]}]}
"""
)

RUN = {"nightly", "weigh", "allocate", "harvest", "packlist", "brief"}
REACHED = {
    "a field reaches readers of its entity": ("block.crop", {"block.crop", "block", *RUN}),
    "a step reaches its run, since a failure undoes all of it": ("weigh", RUN),
    "written data reaches outputs and panels": ("packlist", {"packlist", "brief"}),
    "another pipeline is not reached": ("inbox", {"inbox"}),
    "a service carries a change to its readers": (
        "mail",
        {"mail", "send", "post", "inbox", "slack", "watch", "look"},
    ),
    "a panel reaches nothing": ("inbox", {"inbox"}),
    "a guardrail changes no answer": ("be_kind", {"be_kind"}),
    "a slot is no node": ("after weigh", set[str]()),
}


@table("case", REACHED)
def test_change_reaches_nodes(case: str):
    touched, expected = REACHED[case]
    assert downstream(SPEC, [touched]) == expected


@table(
    ("request_", "nodes"),
    [
        ("GET /", {"brief", "inbox"}),
        ("GET /panels/brief", {"brief"}),
        ("GET /data/block?x=1", {"block"}),
        ("PUT /data/block/b1", {"block"}),
        ("POST /run/nightly", {"nightly", "packlist"}),
        ("POST /run/post", {"post"}),
        ("GET /outputs/packlist", {"packlist"}),
        ("GET /run/nightly", set[str]()),
        ("GET /panels/block", set[str]()),
    ],
)
def test_request_is_answered_by_nodes(request_: str, nodes: set[str]):
    assert nodes_of_request(SPEC, *request_.split()) == nodes
    assert len(routes(SPEC)) == 3 + 3 * 4 + 3 + 1 + 2


def test_step_calls_what_it_declares():
    assert operations_of(SPEC, SPEC["send"]) == {
        "calendar": ("list_events",),
        "slack": ("post_message",),
    }
    assert operations_of(SPEC, SPEC["weigh"]) == {}
