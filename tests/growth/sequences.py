"""Random sequences of morphs that fit a specification, with a fixed seed."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from attractor.base.errors import AttractorError
from attractor.growth.morph import Morph, read_morph
from attractor.growth.specification.document import read_document
from attractor.growth.specification.graph import SpecGraph
from tests.growth.seed import FARM

TYPES = ("text", "integer", "number", "date", "boolean")

GUARDED = read_document(
    FARM.replace("safety_envelope: [", 'safety_envelope: ["No harvest from PHI locked blocks", ')
    .replace(
        '- name: "SprayEvent"',
        "- {name: Forecast, fields: [sku], limits: [{name: Few, at_most: 900}]}\n"
        '    - name: "SprayEvent"',
    )
    .replace('- name: "Block"', '- {name: Harvest, fields: [sku]}\n    - name: "Block"')
    .replace('- "Yield forecast"', "- {name: Yield forecast, reads: [Block], writes: [Forecast]}")
    .replace('- "PHI gate"', "- {name: PHI gate, reads: [Block], guards: [Allocate to contracts]}")
    .replace(
        '- "Allocate to contracts"',
        "- {name: Allocate to contracts, reads: [Forecast, Contract], writes: [Harvest]}",
    )
    .replace('- "Packlists"', "- {name: Packlists, reads: [Harvest]}")
    .replace(
        'guardrails: ["No harvest from PHI locked blocks"]',
        "guardrails: [{name: No harvest from PHI locked blocks, guards: [Harvest]}]",
    )
    .replace(
        "  pipelines:\n",
        "  pipelines:\n    - {name: Nightly, steps: [{name: Collect, reads: [Contract]}, Send]}\n",
    )
)
"""The farm with a gate before the harvest, as a line of the envelope requires."""

GATES = (("harvest", "phi_gate"), ("packlists", "phi_gate"))

Make = Callable[[Random, SpecGraph, str], Mapping[str, Any]]


def _some(random: Random, graph: SpecGraph, kind: str, most: int = 2) -> list[str]:
    ids = [one.id for one in graph.of_kind(kind)]
    return random.sample(ids, min(len(ids), random.randint(0, most)))


def _one(random: Random, graph: SpecGraph, kind: str) -> str:
    return random.choice([one.id for one in graph.of_kind(kind)] or ["none"])


def _field(random: Random, graph: SpecGraph) -> Mapping[str, str]:
    entity, _, field = _one(random, graph, "field").partition(".")
    return {"entity": entity, "field": field}


def _retyped(type_: str) -> Mapping[str, Any]:
    unfit = {"integer": "default", "number": "aside", "date": "aside"}.get(type_, "refuse")
    return {"field_type": type_, "unfit": unfit, "default": 3 if unfit == "default" else None}


def _typed(type_: str, has_default: bool) -> Mapping[str, Any]:
    values = {"text": "x", "date": "2026-01-05", "integer": 3, "number": 2.5, "boolean": True}
    return {"field_type": type_, "default": values[type_] if has_default else None}


MAKERS: Mapping[str, Make] = {
    "add_source": lambda r, g, new: {"name": new},
    "add_adapter": lambda r, g, new: {
        "name": new,
        "operations": [{"name": "list all", "method": r.choice(["GET", "POST"]), "path": "/all"}],
    },
    "add_surface": lambda r, g, new: {"panels": [new], "shows": _some(r, g, "entity")},
    "arrange_panel": lambda r, g, new: {
        **{"panel": _one(r, g, "panel"), "view": r.choice(["table", "board", "calendar"])},
        **{"by": r.choice(["", _one(r, g, "field")])},
    },
    "add_action": lambda r, g, new: {
        "name": new,
        "runs": _one(r, g, r.choice(["pipeline", "step"])),
        "confirm": r.random() < 0.5,
    },
    "add_trigger": lambda r, g, new: {
        "name": new,
        "entity": _one(r, g, "entity"),
        "runs": _one(r, g, "pipeline"),
    },
    "add_hook": lambda r, g, new: {
        **{"name": new, "receives": _one(r, g, "entity"), "runs": _one(r, g, "pipeline")}
    },
    "add_schedule": lambda r, g, new: {
        "name": new,
        "runs": _one(r, g, "pipeline"),
        "when": r.choice(["0 8 * * mon", "*/20 6-22 * * *", "0 0 31 2 *"]),
    },
    "add_role": lambda r, g, new: {
        **{"name": new, "sees": [*_some(r, g, "panel"), *_some(r, g, "entity")]},
        **{"does": _some(r, g, "pipeline"), "edits": _some(r, g, "entity")},
    },
    "insert_gate": lambda r, g, new: {"name": new, "after": _one(r, g, "step")},
    "allocate": lambda r, g, new: {"strategy": new, "step": _one(r, g, "step")},
    "add_field": lambda r, g, new: {
        **{"entity": _one(r, g, "entity"), "name": new},
        **_typed(r.choice(TYPES), r.choice([False, True, True])),
    },
    "add_limit": lambda r, g, new: {
        **{"entity": (at := _field(r, g))["entity"], "name": new, "of": [at["field"]]},
        **r.choice([{"at_most": 3}, {"unique": True}, {"not_before": at["field"]}]),
    },
    "drop_limit": lambda r, g, new: {"limit": _one(r, g, "limit")},
    "drop_field": lambda r, g, new: _field(r, g),
    "retype_field": lambda r, g, new: {**_field(r, g), **_retyped(r.choice(TYPES))},
    "rename": lambda r, g, new: {"node": r.choice(list(g)), "name": new},
    "add_entity": lambda r, g, new: {
        "name": new,
        "fields": [
            {"name": "sku", "key": True},
            {"name": "date", "type": "date", "pii": True},
            {"name": "state", "choices": ["open", "done"], "required": r.random() < 0.3},
            {"name": "price", "type": "number", "unit": r.choice(["EUR", "kg", ""])},
            {"name": "other", "refers_to": r.choice(["", _one(r, g, "entity")])},
        ],
    },
    "drop_entity": lambda r, g, new: {"entity": _one(r, g, "entity")},
    "add_step": lambda r, g, new: {
        **{"name": new, "after": _one(r, g, "step")},
        **{"reads": _some(r, g, "entity"), "writes": _some(r, g, "entity")},
    },
    "remove_step": lambda r, g, new: {"step": _one(r, g, "step")},
    "add_pipeline": lambda r, g, new: {"name": new, "steps": [f"{new} a", f"{new} b"]},
    "remove_pipeline": lambda r, g, new: {"pipeline": _one(r, g, "pipeline")},
    "add_guardrail": lambda r, g, new: {"name": new, "guards": _some(r, g, "step")},
    "set_cadence": lambda r, g, new: {"section": "deployment", "cadence": new},
    "set_preference": lambda r, g, new: {"name": new},
    "adopt_body": lambda r, g, new: {"node": _one(r, g, "step"), "body": new},
}


def without_limits(graph: SpecGraph) -> SpecGraph:
    """Return a graph whose app takes all records."""
    return graph.replace(removed=[one.id for one in graph.of_kind("limit")])


def random_sequence(seed: int, base: SpecGraph, *, longest: int = 12) -> Sequence[Morph]:
    """Return 2 or more morphs that fit one after another."""
    random = Random(seed)
    graph, morphs = base, list[Morph]()
    wanted = random.randint(2, longest)
    while len(morphs) < wanted:
        name = random.choice(list(MAKERS))
        new = f"new {seed} {len(morphs)} {random.randint(0, 9)}"
        try:
            morph = read_morph({"type": name, **MAKERS[name](random, graph, new)})
            graph = morph.apply(graph)
        except AttractorError:
            continue
        morphs.append(morph)
    return morphs
