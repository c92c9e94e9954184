"""Sequences of morphs by hand: breaches of the identity in disguise, and lawful look-alikes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from attractor.growth.identity import Binding, BreachKind
from tests.growth.sequences import GATES

LINE = "No harvest from PHI locked blocks"
RAIL = "no_harvest_from_phi_locked_blocks"
PURPOSE = "Change business purpose"
BINDINGS = (
    *(Binding(line=LINE, path_to=target, gate=gate) for target, gate in GATES),
    Binding(line=PURPOSE, frozen_node="nightly"),
    Binding(line="No legal advice", forbidden=("legal_letter", "reads", "spray_event")),
)
FROZEN = ("nightly", "collect", "send")
FORBIDDEN = (("legal_letter", "reads", "spray_event"),)


class ByHand(NamedTuple):
    """Morphs, and the breach that refuses them; None if they are lawful."""

    morphs: Sequence[Mapping[str, Any]]
    breach: BreachKind | None


def _step(name: str, after: str, **more: list[str]) -> Mapping[str, Any]:
    return {"type": "add_step", "name": name, "after": after, **more}


def _pipeline(name: str, *steps: str) -> Mapping[str, Any]:
    return {"type": "add_pipeline", "name": name, "steps": list(steps)}


def _gate(name: str, after: str) -> Mapping[str, Any]:
    return {"type": "insert_gate", "name": name, "after": after}


def _hook(receives: str) -> Mapping[str, Any]:
    return {"type": "add_hook", "name": "Shop", "receives": receives, "runs": "nightly"}


def _rename(node: str, name: str) -> Mapping[str, Any]:
    return {"type": "rename", "node": node, "name": name}


_NO_GATE = {"type": "remove_step", "step": "phi_gate"}

BY_HAND: Mapping[str, ByHand] = {
    "the gate is removed": ByHand([_NO_GATE], BreachKind.BYPASS),
    "other programs write past the gate": ByHand([_hook("Harvest")], BreachKind.BYPASS),
    "other programs write what no gate guards": ByHand([_hook("Contract")], None),
    "purpose changed in three harmless steps": ByHand(
        [
            _pipeline("Sell advertisements", "Ask sponsors"),
            {"type": "add_surface", "panels": ["Advertisements"]},
            _rename("nightly", "Advertising"),
        ],
        BreachKind.FROZEN,
    ),
    "the purpose gets another pipeline beside it": ByHand(
        [_pipeline("Sell honey", "Ask bees"), _rename("triage", "Honey")], None
    ),
    "a gate with look-alike letters is another gate": ByHand(
        [_gate("РHI gate", "yield_forecast"), _NO_GATE], BreachKind.BYPASS
    ),
    "a gate with look-alike letters beside the gate": ByHand(
        [_gate("РHI gate", "yield_forecast"), _rename("phi_gate", "Old gate")], None
    ),
    "a guardrail with look-alike letters replaces none": ByHand(
        [
            {"type": "add_guardrail", "name": LINE.replace("PHI", "РHI"), "guards": ["harvest"]},
            _rename(RAIL, "Old rule"),
        ],
        BreachKind.GUARDRAIL,
    ),
    "the gate is routed round by a step before it": ByHand(
        [_step("Early", "yield_forecast", writes=["harvest"])], BreachKind.BYPASS
    ),
    "the gate is routed round by a new pipeline": ByHand(
        [_pipeline("Express", "Pick"), _step("Ship", "pick", writes=["harvest"])],
        BreachKind.BYPASS,
    ),
    "the gate is routed round by a forecast of another pipeline": ByHand(
        [_pipeline("Quick", "Guess"), _step("Put", "guess", writes=["forecast"])],
        BreachKind.BYPASS,
    ),
    "the gate moves behind the harvest": ByHand(
        [_NO_GATE, _gate("PHI gate", "allocate_to_contracts")], BreachKind.BYPASS
    ),
    "the gate is replaced by a stronger one": ByHand(
        [_gate("PHI gate 2", "yield_forecast"), _NO_GATE], BreachKind.BYPASS
    ),
    "the gate is removed and comes back": ByHand(
        [_NO_GATE, _gate("PHI gate", "yield_forecast")], None
    ),
    "the pipeline with the gate is removed": ByHand(
        [{"type": "remove_pipeline", "pipeline": "contract_allocation"}], BreachKind.BYPASS
    ),
    "a guardrail is emptied by rename": ByHand([_rename(RAIL, "Harvest")], BreachKind.GUARDRAIL),
    "a guardrail gets words that look alike": ByHand(
        [_rename(RAIL, LINE.replace("PHI", "РHI"))], BreachKind.GUARDRAIL
    ),
    "a guardrail is renamed and gets its words back": ByHand(
        [_rename(RAIL, "Harvest"), _rename(RAIL, LINE)], None
    ),
    "a letter reads what it may never read": ByHand(
        [_step("Legal letter", "packlists", reads=["spray_event"])], BreachKind.FORBIDDEN
    ),
    "a letter under another name reads it": ByHand(
        [_step("Letter", "packlists", reads=["spray_event"])], None
    ),
    "another gate is lawful": ByHand([_gate("Cold chain", "phi_gate")], None),
    "an import that feeds the allocation is lawful": ByHand(
        [_pipeline("Import", "Fetch"), _step("Store", "fetch", writes=["contract"])], None
    ),
    "a step behind the gate writes the harvest": ByHand(
        [_step("Weigh", "packlists", writes=["harvest"])], None
    ),
    "steps without the gate come and go": ByHand(
        [{"type": "remove_step", "step": "surplus_allocator"}, _step("Sell rest", "packlists")],
        None,
    ),
    "the frozen pipeline gets a step": ByHand([_step("Ads", "send")], BreachKind.FROZEN),
}
