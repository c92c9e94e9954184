"""Each relation leads to the nodes that its words name, or the specification is refused."""

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from attractor.growth.api.plans import describe_plan, plan_proposal, status
from attractor.growth.api.specs import verify
from attractor.growth.apps.routes import hooks, runs_of, triggered
from attractor.growth.apps.skeleton import write_app
from attractor.growth.deployment.app_supervisor import timed_runs
from attractor.growth.errors import InvalidMorph, InvalidSpec
from attractor.growth.morph import apply_morphs, read_morph
from attractor.growth.plans.hand_edits import morphs_of_edits
from attractor.growth.plans.plan import read_proposal
from attractor.growth.specification.document import SECTION, graph_of, read_document
from attractor.growth.specification.document_writer import write_document
from attractor.growth.specification.graph import Relation, SpecGraph
from attractor.growth.specification.node_kind import relations_of, wrong_relations
from tests.growth.app import make_app
from tests.growth.apps.lending import BODIES, LENDING
from tests.growth.apps.small_app import write_with_bodies
from tests.growth.apps.test_pages import records, served
from tests.tables import table

CAFE = """
identity: {purpose: Book repairs}
data_contracts:
  entities: [{name: Booking, fields: [{name: Guest, key: true}]}, {name: Guest}]
workflows:
  pipelines:
    - {name: Booking, steps: [{name: At most five, reads: [Booking], writes: [Booking]}]}
  triggers: [{name: New, reads: [Booking], runs: [Booking]}]
interface:
  panels: [{name: Booking, shows: [Booking]}]
"""


def test_words_of_a_relation_lead_only_to_kinds_that_it_allows() -> None:
    graph = read_document(CAFE)
    assert triggered(graph) == {"booking": (("booking_pipeline", ""),)}
    assert read_document(write_document(graph)).spec_hash == graph.spec_hash


@table(
    "old, new, fault",
    [
        (
            "runs: [Booking]",
            "runs: [Guest]",
            ":8: workflows.triggers[0].runs[0]: 'Guest' is the fi",
        ),
        ("runs: [Booking]", "runs: [Tea]", "workflows.triggers[0].runs[0]: unknown node 'Tea'"),
        ("runs: [Booking]", "runs: []", "workflows.triggers[0].reads: has no effect alone"),
        ("reads: [Booking], runs", "runs", "workflows.triggers[0].runs: has no effect alone"),
        (
            "  panels:",
            "  roles: [{name: Helper, sees: [Booking]}]\n  panels:",
            "'Booking' is ambiguous (write an id: booking, booking_panel)",
        ),
        (
            "  panels:",
            "  actions: [{name: Two, runs: [At most five, Booking]}]\n  panels:",
            "interface.actions[0].runs: more than one entry",
        ),
    ],
)
def test_relation_without_one_right_target_is_refused(old: str, new: str, fault: str) -> None:
    with pytest.raises(InvalidSpec) as raised:
        read_document(CAFE.replace(old, new, 1))
    assert fault in f"{raised.value.message} ({raised.value.hint})"


PLACES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "trigger": ("workflows", "triggers", ("reads", "runs")),
    "hook": ("workflows", "triggers", ("receives", "runs")),
    "schedule": ("deployment", "schedules", ("runs",)),
    "action": ("interface", "actions", ("runs",)),
    "panel": ("interface", "panels", ("shows",)),
    "role": ("interface", "roles", ("sees", "does", "edits")),
    "output": ("workflows", "outputs", ("reads",)),
    "guardrail": ("safety", "guardrails", ("guards",)),
}


def test_relations_of_random_documents_reach_their_words_or_are_refused() -> None:
    refused = 0
    for seed in range(300):
        random = Random(seed)
        words = [f"W{number}" for number in range(random.randint(3, 9))]
        section, key, relations = PLACES[random.choice([*PLACES])]
        named = {one: [random.choice(words)] for one in relations}
        entry: dict[str, Any] = {
            "name": "Asked",
            **named,
            **({"when": "0 8 * * *"} if key == "schedules" else {}),
        }
        steps = [{"name": random.choice(words)}]
        document: dict[str, Any] = {
            "identity": {"purpose": "p"},
            "data_contracts": {"entities": [{"name": one} for one in words[:2]]},
            "workflows": {"pipelines": [{"name": random.choice(words), "steps": steps}]},
            "interface": {"panels": [random.choice(words)], "actions": [random.choice(words)]},
        }
        document.setdefault(section, {}).setdefault(key, []).append(entry)
        try:
            graph = graph_of(document)
        except InvalidSpec:
            refused += 1
            continue
        asked = graph["asked"]
        for relation, (word,) in named.items():
            allowed = relations_of(asked.kind)[relation]
            fits = [one.id for one in graph.values() if one.name == word]
            fits = [one for one in fits if graph[one].kind in allowed.kinds]
            assert asked.targets(allowed.relation) == tuple(fits), (seed, document)
        compiled = {one for runs in triggered(graph).values() for one in runs}
        compiled |= {run for hook in hooks(graph) for run in hook.runs}
        compiled |= {(one.pipeline, one.step) for one in timed_runs(graph)}
        if asked.kind in ("trigger", "schedule"):
            assert {*runs_of(graph, asked)} <= compiled
            assert runs_of(graph, asked)
    assert 60 < refused < 240


def wrong_cafe() -> SpecGraph:
    """Return the graph that an earlier version made: its trigger runs an entity."""
    graph = read_document(CAFE)
    return graph.replace(graph["new"].with_targets(Relation.RUNS, ["booking"]))


def test_wrong_relation_of_an_earlier_version_is_named_and_mended_by_a_plan(tmp_path: Path) -> None:
    graph = wrong_cafe()
    write_app(graph, tmp_path / "compiled")
    app = make_app(tmp_path / "app", graph)
    line = "trigger new: runs leads to the entity booking, not to a pipeline or step"
    line = f"{line}, and has no effect"
    other: dict[str, Any] = {
        "morphs": [{"type": "add_entity", "name": "Tea", "fields": []}],
        "tests": [],
    }
    plan = plan_proposal(app, "HEAD", read_proposal(other))
    for found in (status(app), verify(app), describe_plan(app, str(plan["plan_id"]))):
        assert found["without_effect"] == [line]
    right = read_document(CAFE)
    edits = morphs_of_edits(graph, right)
    assert edits.without_morph == ()
    mended = describe_plan(app, str(plan_proposal(app, "HEAD", edits.proposal)["plan_id"]))
    assert mended["without_effect"] == []
    result = apply_morphs(graph, edits.proposal.morphs)
    assert result.spec_hash == right.spec_hash
    assert not [*wrong_relations(result)]


@table(
    "node, relation, targets, fault",
    [
        ("new", "runs", ["guest"], "unknown pipeline or step 'guest'"),
        ("new", "sees", ["guest"], "no relation 'sees' of trigger new"),
        (SECTION, "runs", [], "unknown node"),
        ("new", "receives", ["booking", "guest"], "leads to one node"),
    ],
)
def test_relink_keeps_the_rules_of_a_relation(
    node: str, relation: str, targets: list[str], fault: str
) -> None:
    morph = {"type": "relink", "node": node, "relation": relation, "targets": targets}
    with pytest.raises(Exception, match=fault):
        read_morph(morph).apply(read_document(CAFE))


def test_guard_is_not_taken_away_by_relink() -> None:
    morph: dict[str, Any] = {
        "type": "relink",
        "node": "free_tools",
        "relation": "guards",
        "targets": [],
    }
    with pytest.raises(InvalidMorph, match="free_tools guards less"):
        read_morph(morph).apply(LENDING)


def test_trigger_and_schedule_run_a_step_with_its_gates(tmp_path: Path) -> None:
    text = write_document(LENDING).replace("- lending\n", "- lend\n")
    graph = read_document(
        f"{text}deployment: {{schedules: [{{name: S, runs: [lend], when: 0 8 * * *}}]}}"
    )
    assert triggered(graph) == {"wish": (("lending", "lend"),)}
    (timed,) = timed_runs(graph)
    assert (timed.pipeline, timed.step) == ("lending", "lend")
    with served(write_with_bodies(graph, tmp_path / "tree", BODIES)) as client:
        client.post("/data/tool", json={"name": "Axe", "kind": "hand"})
        client.post("/data/neighbour", json={"name": "Ann"})
        for id_ in ("1", "2"):
            wish = {"id": id_, "tool": "Axe", "neighbour": "Ann"}
            (run,) = client.post("/data/wish", json=wish).json()["runs"]
            assert [one["step"] for one in run["steps"]] == ["free_tools", "lend"]
        # The gate kept the second wish from the step.
        assert [one["id"] for one in records(client, "loan")] == ["1"]
        assert client.post("/run/lending/lend").json()["steps"][1]["step"] == "lend"
        assert client.post("/run/lending/tea").status_code == 404
