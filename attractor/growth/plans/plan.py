"""A plan: morphs and tests for a specification, with hashes (ruling G8).

The planner's output is `{morphs[], tests[]}`, no more; ids, plates, levels, risks and the hashes of
all nodes read and written are added by rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject, canonical_json, content_hash
from attractor.base.records import read_json
from attractor.growth.desires import UserDesire, parse_desire
from attractor.growth.errors import InvalidMorph
from attractor.growth.migration import Migration, Sequenced
from attractor.growth.morph import Level, Morph, Risk, Touched, read_morph, write_morph
from attractor.growth.specification.difference import SpecChange, compare_specs, everything_added
from attractor.growth.specification.graph import SpecGraph
from attractor.growth.specification.graph_check import check_graph


@dataclass(frozen=True)
class Proposal:
    """The proposal of the planner: morphs and tests."""

    morphs: tuple[Morph, ...]
    tests: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the proposal as the planner writes it."""
        return {"morphs": [write_morph(one) for one in self.morphs], "tests": list(self.tests)}


NO_MORPHS = Proposal(())
"""The proposal of a first stage that is built as its specification is."""


def read_proposal(value: object) -> Proposal:
    """Read the planner's output, or raise InvalidMorph."""
    if not isinstance(value, dict) or set(cast("dict[str, Any]", value)) != {"morphs", "tests"}:
        raise InvalidMorph("not a proposal", hint='write {"morphs": [...], "tests": [...]}')
    record = cast("dict[str, Any]", value)
    morphs, tests = record["morphs"], record["tests"]
    if not isinstance(morphs, list):
        raise InvalidMorph("morphs: not a list")
    if not morphs:
        raise InvalidMorph("morphs: no morph", hint="propose at least one morph")
    if not isinstance(tests, list) or not all(
        isinstance(test, str) and test.strip() for test in cast("list[object]", tests)
    ):
        raise InvalidMorph("tests: not a list of sentences")
    read: list[Morph] = []
    for number, one in enumerate(cast("list[object]", morphs), 1):
        if not isinstance(one, dict):
            raise InvalidMorph(f"morph {number}: not an object")
        read.append(read_morph(cast("dict[str, Any]", one), place=f"morph {number}"))
    return Proposal(tuple(read), tuple(cast("list[str]", tests)))


def read_proposal_file(file: Path) -> Proposal:
    """Read a proposal from a JSON file."""
    return read_proposal(read_json(file, InvalidMorph))


@dataclass(frozen=True)
class PlannedMorph:
    """A morph of a plan, with its plate, level and risk by rule."""

    morph: Morph
    plate: str
    level: Level
    risk: Risk


@dataclass(frozen=True)
class PlanStep:
    """A morph at its place in a plan: between two specifications."""

    id: str
    planned: PlannedMorph
    before: SpecGraph
    after: SpecGraph

    @cached_property
    def touched(self) -> Touched:
        """The nodes and slots that the morph reads and writes."""
        return self.planned.morph.touched(self.before)

    @cached_property
    def migration(self) -> Migration | None:
        """The change of recorded state, if there is one."""
        return self.planned.morph.migration(self.before)

    @property
    def is_reversible(self) -> bool:
        """Whether a roll-back restores every value of recorded state."""
        return self.migration is None or self.migration.is_reversible

    def to_dict(self) -> dict[str, Json]:
        """Return the JSON record."""
        return {
            "id": self.id,
            "morph": write_morph(self.planned.morph),
            "plate": self.planned.plate,
            "level": self.planned.level.value,
            "risk": self.planned.risk.value,
            "reads": list[Json](sorted(self.touched.reads)),
            "writes": list[Json](sorted(self.touched.writes)),
            "reversible": self.is_reversible,
        }


@dataclass(frozen=True)
class Plan:
    """A checked proposal for one specification."""

    id: str
    base: SpecGraph
    morphs: tuple[PlannedMorph, ...]
    tests: tuple[str, ...]
    development_hash: str
    desires: tuple[UserDesire, ...] = ()
    attempt: int = 1
    """Plans with the same content are numbered: a dropped one is made anew."""
    is_first: bool = False
    """Whether the plan leads to the first stage of an app: everything in it is new."""
    text_hash: str = ""
    """The hash of its description for the reviewer; empty in plans of earlier versions."""

    @property
    def proposal(self) -> Proposal:
        """The proposal of the planner."""
        return Proposal(tuple(one.morph for one in self.morphs), self.tests)

    @cached_property
    def steps(self) -> Sequence[PlanStep]:
        """The morphs one after another."""
        graph, steps = self.base, list[PlanStep]()
        for number, planned in enumerate(self.morphs, 1):
            after = planned.morph.apply(graph)
            steps.append(PlanStep(f"m{number}", planned, graph, after))
            graph = after
        check_graph(graph)
        return steps

    @property
    def result(self) -> SpecGraph:
        """The specification after the plan."""
        return self.steps[-1].after if self.steps else self.base

    @cached_property
    def touched(self) -> Touched:
        """The nodes and slots that the plan reads and writes."""
        touched = Touched()
        for step in self.steps:
            touched |= step.touched
        return touched

    @property
    def before(self) -> SpecGraph | None:
        """The specification of the app that the plan changes; None for a first stage."""
        return None if self.is_first else self.base

    @cached_property
    def changes(self) -> Sequence[SpecChange]:
        """The changes of the specification of the app."""
        if self.before is None:
            return everything_added(self.result)
        return compare_specs(self.before, self.result)

    @property
    def risk(self) -> Risk:
        """The highest risk of a morph; a first stage has at least medium risk."""
        order = list(Risk)
        least = Risk.MEDIUM if self.is_first else Risk.LOW
        return max([least, *(one.risk for one in self.morphs)], key=order.index)

    @cached_property
    def migration(self) -> Sequenced:
        """The change of recorded state."""
        return Sequenced([step.migration for step in self.steps if step.migration])

    @property
    def read_hashes(self) -> Mapping[str, str]:
        """The hash of each node of the base that the plan reads or writes."""
        return {one: self.base[one].hash for one in sorted(self.touched.nodes) if one in self.base}

    @cached_property
    def hash(self) -> str:
        """The hash that a simulation and a deployment pin."""
        return content_hash(canonical_json(self.to_dict()).encode())

    def to_dict(self) -> dict[str, Json]:
        """Return the plan as JSON, without the nodes of the base."""
        return {
            "plan_id": self.id,
            "attempt": self.attempt,
            "base": self.base.spec_hash,
            "result": self.result.spec_hash,
            "development": self.development_hash,
            "desires": [cast("Json", desire.to_dict()) for desire in self.desires],
            "morphs": [step.to_dict() for step in self.steps],
            "tests": list[Json](self.tests),
            "hashes": dict[str, Json](self.read_hashes),
            # Plans of earlier versions would have other hashes with them.
            **({"first": True} if self.is_first else {}),
            **({"text": self.text_hash} if self.text_hash else {}),
        }


def named(plan: Plan) -> Plan:
    """Return a plan with the id that its content gives."""
    content = canonical_json(replace(plan, id="").to_dict())
    return replace(plan, id=f"gp-{content_hash(content.encode())[:8]}")


_PLAN_KEYS = {
    *("plan_id", "attempt", "base", "result", "development"),
    *("desires", "morphs", "tests", "hashes"),
}
_OPTIONAL_KEYS = {"first", "text"}


def read_plan(record: JsonObject, base: SpecGraph, *, place: str = "plan") -> Plan:
    """Read a plan for its base, or raise InvalidMorph if the rules give another plan."""
    value = cast("Mapping[str, Any]", record)
    if set(value) - _OPTIONAL_KEYS != _PLAN_KEYS:
        raise InvalidMorph(f"{place}: not a plan", hint=f"keys of a plan: {', '.join(_PLAN_KEYS)}")
    if value["base"] != base.spec_hash:
        raise InvalidMorph(f"{place}: the plan has another base than {base.spec_hash[:12]}")
    try:
        morphs = [one["morph"] for one in value["morphs"]]
        is_as_it_is = not morphs and not value["tests"] and "first" in value
        proposal = NO_MORPHS
        if not is_as_it_is:
            proposal = read_proposal({"morphs": morphs, "tests": value["tests"]})
        planned = [
            PlannedMorph(morph, str(one["plate"]), Level(one["level"]), Risk(one["risk"]))
            for morph, one in zip(proposal.morphs, value["morphs"], strict=True)
        ]
        attempt = int(value["attempt"])
    except (KeyError, TypeError, ValueError) as cause:
        raise InvalidMorph(f"{place}: not a plan: {cause}") from cause
    plan = Plan(
        str(value["plan_id"]),
        base,
        tuple(planned),
        proposal.tests,
        str(value["development"]),
        tuple(parse_desire(one) for one in value["desires"]),
        attempt,
        is_first="first" in value,
        text_hash=str(value.get("text", "")),
    )
    if canonical_json(named(plan).to_dict()) != canonical_json(dict(record)):
        hint = f"drop it, and plan again: attractor grow drop {plan.id}"
        raise InvalidMorph(f"{place} was changed by hand", hint=hint)
    return plan
