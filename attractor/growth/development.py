"""Where and how an app may grow: organs, growth plates and morph rules (ruling G6)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from attractor.base.files import read_file
from attractor.base.json import canonical_json, content_hash
from attractor.base.toml import InvalidToml, TomlMistakes, explain_faults, parse_toml
from attractor.growth.errors import InvalidDevelopment
from attractor.growth.identity import Binding
from attractor.growth.morph import Level, Morph, Risk, morph_registry, type_of
from attractor.growth.specification.graph import SpecGraph

DEVELOPMENT = Path("spec", "development.toml")


class OrganKind(StrEnum):
    """The kinds of organs."""

    INGESTORS = "ingestors"
    REASONERS = "reasoners"
    WORKFLOWS = "workflows"
    SURFACES = "surfaces"
    ACTIONS = "actions"
    SAFETY = "safety"


class Organ(BaseModel):
    """A subsystem of an app."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: OrganKind = Field(description="the kind of the organ")
    nodes: tuple[str, ...] = Field(description="the ids of its nodes, with all nodes below")


class Plate(BaseModel):
    """A point at which an organ grows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    organ: str = Field(description="the name of an organ")
    accepts: tuple[str, ...] = Field(description="types of morphs")


class Rule(BaseModel):
    """A rule for a type of morph (default: the level and risk of the type)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Level | None = Field(default=None, description="the level of the type")
    risk: Risk | None = Field(default=None, description="the risk of the type")
    tests: tuple[str, ...] = Field(default=(), description="sentences that a plan must test")


class DevelopmentalSpec(BaseModel):
    """The file `spec/development.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    organs: Mapping[str, Organ] = Field(
        default_factory=dict[str, Organ], description="subsystems, by name"
    )
    plates: tuple[Plate, ...] = Field(default=(), description="points at which organs grow")
    rules: Mapping[str, Rule] = Field(
        default_factory=dict[str, Rule], description="rules, by type of morph"
    )
    identity: tuple[Binding, ...] = Field(
        default=(), description="what lines of the identity mean for the specification"
    )

    @property
    def hash(self) -> str:
        """The hash that plans pin."""
        record = self.model_dump(mode="json")
        for one in record["identity"]:
            # A key that earlier versions did not know keeps the hash, unless it is used.
            if not one["frozen_inputs"]:
                del one["frozen_inputs"]
        return content_hash(canonical_json(record).encode())

    @property
    def targets_of_gates(self) -> Mapping[str, Sequence[str]]:
        """The gates that the identity names, each with what is only reached through it."""
        found: dict[str, list[str]] = {one.gate: [] for one in self.identity if one.gate}
        for one in self.identity:
            if one.path_to:
                found[one.gate].append(one.path_to)
        return found

    def level_of(self, morph: Morph) -> Level:
        """Return the level of a morph."""
        rule = self.rules.get(type_of(morph))
        return (rule and rule.level) or morph.level

    def risk_of(self, morph: Morph) -> Risk:
        """Return the risk of a morph."""
        rule = self.rules.get(type_of(morph))
        return (rule and rule.risk) or morph.risk

    def plate_for(self, morph: Morph) -> Plate | None:
        """Return the plate that accepts a morph, if there is one."""
        name = type_of(morph)
        return next((plate for plate in self.plates if name in plate.accepts), None)

    def missing_tests(self, morph: Morph, tests: Sequence[str]) -> Sequence[str]:
        """Return the required tests that a plan does not contain."""
        rule = self.rules.get(type_of(morph))
        known = {test.casefold() for test in tests}
        return [test for test in (rule.tests if rule else ()) if test.casefold() not in known]


def read_development(repository: Path) -> DevelopmentalSpec:
    """Read the developmental specification of an app, or raise InvalidDevelopment."""
    file = repository / DEVELOPMENT
    if not file.exists():
        hint = "begin an app in a new folder: attractor grow init; or restore the file"
        raise InvalidDevelopment(f"{repository} contains no {DEVELOPMENT}", hint=hint)
    text = read_file(file).decode()
    return parse_development(text, place=str(DEVELOPMENT))


def parse_development(text: str, *, place: str = "development.toml") -> DevelopmentalSpec:
    """Parse a developmental specification, or raise InvalidDevelopment."""
    mistakes = TomlMistakes(text, place)
    try:
        value = parse_toml(text)
    except InvalidToml as cause:
        raise InvalidDevelopment(cause.at(place), hint=cause.hint) from cause
    try:
        spec = DevelopmentalSpec.model_validate(value)
    except ValidationError as cause:
        mistakes.extend(explain_faults(cause.errors(include_url=False), value))
        raise mistakes.error(InvalidDevelopment) from cause
    for number, plate in enumerate(spec.plates, 1):
        unknown = sorted(set(plate.accepts) - set(morph_registry()))
        if unknown:
            raise InvalidDevelopment(f"{place}: plate {number}: unknown morph {unknown[0]!r}")
        if plate.organ not in spec.organs:
            raise InvalidDevelopment(f"{place}: plate {number}: unknown organ {plate.organ!r}")
    for name in spec.rules:
        if name not in morph_registry():
            raise InvalidDevelopment(f"{place}: rules: unknown morph {name!r}")
    return spec


def check_development(spec: DevelopmentalSpec, graph: SpecGraph) -> None:
    """Raise InvalidDevelopment if an organ or a guardrail is not in the graph.

    A missing node of a predicate is a breach of the identity; a relation may be forbidden to nodes
    that do not exist.
    """
    for name, organ in spec.organs.items():
        for id_ in organ.nodes:
            if id_ not in graph:
                raise InvalidDevelopment(f"organ {name}: unknown node {id_!r}")
    for one in spec.identity:
        if one.guardrail and one.guardrail not in graph:
            raise InvalidDevelopment(f"identity {one.line!r}: unknown node {one.guardrail!r}")
