"""A change of what a gate decides by has a high risk, and names the gate."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attractor.base.json import canonical_json, content_hash
from attractor.growth.api.plans import describe_plan, plan_proposal, review
from attractor.growth.development import parse_development
from attractor.growth.errors import InvalidDevelopment
from attractor.growth.evidence import find_gate_changes
from attractor.growth.identity import Binding, BreachKind, coverage, find_breaches
from attractor.growth.morph import Risk, apply_morphs, read_morph
from attractor.growth.plans.checks import check_plan, check_proposal
from attractor.growth.plans.plan import Proposal, read_proposal
from tests.growth.app import DEVELOPMENT_TEXT, GATED, make_app
from tests.growth.by_hand import BINDINGS, LINE
from tests.growth.sequences import GUARDED
from tests.tables import table

DEVELOPMENT = parse_development(DEVELOPMENT_TEXT).model_copy(update={"identity": BINDINGS})
FORGE = {"type": "add_step", "name": "Forge", "after": "yield_forecast", "writes": ["Block"]}
FORGED = "forge writes block, which it reads"


def step(after: str, *writes: str) -> Mapping[str, Any]:
    return {**FORGE, "after": after, "writes": list(writes)}


def risk_of(*morphs: Mapping[str, Any]) -> Risk:
    proposal = Proposal(tuple(map(read_morph, morphs)))
    return check_proposal(GUARDED, proposal, DEVELOPMENT).morphs[-1].risk


@table(
    ("morph", "message"),
    [
        (step("yield_forecast", "Block"), FORGED),
        (step("send", "Block"), FORGED),
        ({"type": "rename", "node": "phi_gate", "name": "Gate"}, "gets other words: 'Gate'"),
        ({"type": "rename", "node": "packlists", "name": "Lists"}, "its target gets other words"),
        ({"type": "rename", "node": "block.crop", "name": "Sort"}, "block.crop, which it reads"),
        (
            {"type": "retype_field", "entity": "Block", "field": "crop", "field_type": "integer"},
            "block.crop, which it reads, changes",
        ),
        (
            {"type": "drop_field", "entity": "Block", "field": "crop"},
            "block.crop, which it reads, is removed",
        ),
        (
            {"type": "allocate", "step": "phi_gate", "strategy": "all"},
            "its rule, strategy or body changes",
        ),
    ],
)
def test_change_of_a_gate_or_of_its_evidence_has_a_high_risk(
    morph: Mapping[str, Any], message: str
) -> None:
    assert risk_of(morph) is Risk.HIGH
    after = apply_morphs(GUARDED, [read_morph(morph)])
    [*found] = find_gate_changes(GUARDED, after, DEVELOPMENT.targets_of_gates)
    assert {one.gate for one in found} == {"phi_gate"}
    assert any(one.message.startswith(message) for one in found)


@table(
    "morph",
    [
        step("packlists", "Block"),
        step("yield_forecast", "Forecast"),
        {"type": "add_field", "entity": "Block", "name": "soil", "default": "loam"},
        {"type": "rename", "node": "send", "name": "Send it"},
    ],
)
def test_other_changes_keep_the_risk_of_their_type(morph: Mapping[str, Any]) -> None:
    assert risk_of(morph) is DEVELOPMENT.risk_of(read_morph(morph))


def test_changed_writer_of_evidence_and_new_gate() -> None:
    written = apply_morphs(GUARDED, [read_morph(FORGE)])
    body = [read_morph({"type": "allocate", "step": "forge", "strategy": "mine"})]
    assert check_proposal(written, Proposal(tuple(body)), DEVELOPMENT).morphs[0].risk is Risk.HIGH
    # A gate of the same plan is reviewed with it.
    gate = {"type": "insert_gate", "name": "Late gate", "after": "collect", "reads": ["Contract"]}
    assert risk_of(gate, step("yield_forecast", "Contract")) is not Risk.HIGH


def test_frozen_inputs_of_a_gate_never_change() -> None:
    frozen = Binding(line=LINE, gate="phi_gate", frozen_inputs=True)
    for morph, fault in (
        (FORGE, FORGED),
        ({"type": "remove_step", "step": "phi_gate"}, "is removed"),
    ):
        after = apply_morphs(GUARDED, [read_morph(morph)])
        [breach] = find_breaches(GUARDED, after, [frozen])
        assert (breach.kind, breach.message) == (BreachKind.INPUTS, f"phi_gate: {fault}")
    after = apply_morphs(GUARDED, [read_morph(step("packlists", "Block"))])
    assert find_breaches(GUARDED, after, [frozen]) == []
    assert coverage(GUARDED, [frozen]).machine_checked == 1


def test_a_line_has_several_predicates() -> None:
    whole = f"{GATED}frozen_inputs = true\nfrozen_node = 'nightly'\nscenario = 'no-harvest'\n"
    [bound] = parse_development(whole).identity
    after = apply_morphs(
        GUARDED,
        [read_morph(one) for one in (FORGE, {"type": "rename", "node": "send", "name": "Sell"})],
    )
    kinds = {one.kind for one in find_breaches(GUARDED, after, [bound])}
    assert kinds == {BreachKind.INPUTS, BreachKind.FROZEN}
    assert "'no-harvest', which is no `must` scenario" in coverage(GUARDED, [bound]).missing[0]
    assert coverage(GUARDED, [bound], ["no-harvest"]).missing == ()
    with pytest.raises(InvalidDevelopment, match="a gate belongs to path_to or frozen_inputs"):
        parse_development(f"{DEVELOPMENT_TEXT}\n[[identity]]\nline = 'x'\nfrozen_inputs = true\n")


def test_unused_key_keeps_the_hash_of_earlier_versions() -> None:
    development = parse_development(GATED)
    record = development.model_dump(mode="json")
    del record["identity"][0]["frozen_inputs"]
    assert development.hash == content_hash(canonical_json(record).encode())


def test_plan_names_the_gate_wherever_it_is_reviewed(tmp_path: Path) -> None:
    app = make_app(tmp_path / "app", GUARDED, development=GATED)
    made = plan_proposal(app, "HEAD", read_proposal({"morphs": [FORGE], "tests": []}))
    plan = app.plans.load(str(made["plan_id"]))
    described = describe_plan(app, plan.id)
    line = f"phi_gate: {FORGED} (m1)"
    assert (described["gates"], described["risk"]) == ([line], "high")
    assert line in str(review(app, plan.id)["mutation"])
    # A plan that an earlier version made has the risk of its type.
    old = replace(
        plan, id="gp-old", morphs=tuple(replace(one, risk=Risk.LOW) for one in plan.morphs)
    )
    [finding] = check_plan(old, parse_development(GATED), app.head, []).findings
    assert finding.message == "the rules give morph 1 the risk high, not low"
    assert finding.hint == "run 'attractor grow rebase gp-old'"
