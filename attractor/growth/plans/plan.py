"""A plan: morphs and tests for a specification, with hashes (ruling G8).

The planner's output is `{morphs[], tests[]}`, no more; ids, plates, levels, risks and the hashes of
all nodes read and written are added by rule.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, canonical_json, content_hash
from attractor.growth.errors import InvalidMorph
from attractor.growth.migration.transforms import Sequenced
from attractor.growth.morph import (
    Level,
    Morph,
    Risk,
    Touched,
    apply_morphs,
    read_morph,
    touched_by,
    write_morph,
)
from attractor.growth.spec.graph import SpecGraph


@dataclass(frozen=True)
class Proposal:
    """What the planner proposes."""

    morphs: tuple[Morph, ...]
    tests: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the proposal as the planner writes it."""
        return {"morphs": [write_morph(one) for one in self.morphs], "tests": list(self.tests)}


def read_proposal(value: object) -> Proposal:
    """Read the planner's output, or raise InvalidMorph."""
    if not isinstance(value, dict) or set(cast("dict[str, Any]", value)) != {"morphs", "tests"}:
        raise InvalidMorph("not a proposal", hint='write {"morphs": [...], "tests": [...]}')
    record = cast("dict[str, Any]", value)
    morphs, tests = record["morphs"], record["tests"]
    if not isinstance(morphs, list) or not morphs:
        raise InvalidMorph("morphs: not a list with a morph", hint="propose at least one morph")
    if not isinstance(tests, list) or not all(
        isinstance(one, str) and one.strip() for one in cast("list[object]", tests)
    ):
        raise InvalidMorph("tests: not a list of sentences")
    read: list[Morph] = []
    for number, one in enumerate(cast("list[object]", morphs), 1):
        if not isinstance(one, dict):
            raise InvalidMorph(f"morph {number}: not an object")
        read.append(read_morph(cast("dict[str, Any]", one), place=f"morph {number}"))
    return Proposal(tuple(read), tuple(cast("list[str]", tests)))


@dataclass(frozen=True)
class PlannedMorph:
    """A morph of a plan, with what rules say about it."""

    morph: Morph
    plate: str
    level: Level
    risk: Risk


@dataclass(frozen=True)
class Plan:
    """A checked proposal for one specification."""

    id: str
    base: SpecGraph
    morphs: tuple[PlannedMorph, ...]
    tests: tuple[str, ...]
    development_hash: str

    @property
    def proposal(self) -> Proposal:
        """The proposal of the planner."""
        return Proposal(tuple(one.morph for one in self.morphs), self.tests)

    @cached_property
    def result(self) -> SpecGraph:
        """The specification after the plan."""
        return apply_morphs(self.base, self.proposal.morphs)

    @cached_property
    def touched(self) -> Touched:
        """The nodes and slots that the plan reads and writes."""
        return touched_by(self.base, self.proposal.morphs)

    @property
    def risk(self) -> Risk:
        """The highest risk of a morph."""
        order = list(Risk)
        return max((one.risk for one in self.morphs), key=order.index)

    @cached_property
    def migration(self) -> Sequenced:
        """The change of recorded state."""
        graph, steps = self.base, list[Any]()
        for morph in self.proposal.morphs:
            step = morph.migration(graph)
            steps += [step] if step else []
            graph = morph.apply(graph)
        return Sequenced(steps)

    @property
    def read_hashes(self) -> Mapping[str, str]:
        """The hash of each node of the base that the plan reads or writes."""
        named = self.touched.reads | self.touched.writes
        return {one: self.base[one].hash for one in sorted(named) if one in self.base}

    @property
    def hash(self) -> str:
        """The hash that a simulation and a deployment pin."""
        return content_hash(canonical_json(self.to_dict()).encode())

    def to_dict(self) -> dict[str, Json]:
        """Return the plan as JSON, without the nodes of the base."""
        morphs: list[Json] = [
            {
                **write_morph(one.morph),
                "plate": one.plate,
                "level": one.level.value,
                "risk": one.risk.value,
            }
            for one in self.morphs
        ]
        return {
            "plan_id": self.id,
            "base": self.base.spec_hash,
            "result": self.result.spec_hash,
            "development": self.development_hash,
            "morphs": morphs,
            "tests": list[Json](self.tests),
            "reads": dict[str, Json](self.read_hashes),
            "writes": list[Json](sorted(self.touched.writes)),
        }


def plan_of(
    id_: str, base: SpecGraph, proposal: Proposal, planned: Sequence[PlannedMorph], hash_: str
) -> Plan:
    """Return the plan of a proposal."""
    return Plan(id_, base, tuple(planned), proposal.tests, hash_)
