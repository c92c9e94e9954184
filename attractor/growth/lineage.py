"""The stages of an app's life: kinds, versions, files and the drawing (ruling G13).

Each plan commit adds one file `spec/lineage/<stage>.json`. A stage is never changed or removed; a
roll-back is a new stage forward.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.files import file_error, read_regular, write_whole
from attractor.base.json import (
    Json,
    JsonObject,
    NotCanonical,
    canonical_json,
    content_hash,
    parse_json,
)
from attractor.base.records import read_record, write_record
from attractor.growth.errors import InvalidLineage
from attractor.growth.migration import Sequenced
from attractor.growth.morph import Level, Risk
from attractor.growth.morphs.declare_maturity import DeclareMaturity
from attractor.growth.plans.mutation import plan_in_words
from attractor.growth.plans.plan import Plan

LINEAGE = Path("spec", "lineage")


class StageKind(StrEnum):
    """The kinds of stages."""

    SEED = "seed"
    JUVENILE = "juvenile"
    MATURE = "mature"
    MINOR = "minor"
    MAJOR = "major"
    VARIANT = "variant"


_LABELS = {
    StageKind.SEED: "Seed",
    StageKind.JUVENILE: "Juvenile",
    StageKind.MATURE: "Mature",
    StageKind.MINOR: "Minor evolve",
    StageKind.MAJOR: "Major evolve",
    StageKind.VARIANT: "Variant",
}


@dataclass(frozen=True)
class DeployedStage:
    """One stage of an app, named by its version.

    `desires` are the ids of the desires that it serves, and `plan` is the whole plan that led to
    it. `returns_to` is the earlier stage that a roll-back
    restores, and `generated` the hash of its `app/generated.json`: any version may have written it.
    """

    stage: str
    kind: StageKind
    spec_hash: str
    plan_hash: str
    migration_hash: str
    parent: str = ""
    desires: tuple[str, ...] = ()
    returns_to: str = ""
    generated: str = ""
    plan: JsonObject = field(default_factory=dict[str, Json])
    day: str = ""
    words: tuple[str, ...] = ()
    """The day of the plan commit, and its changes in words; empty in stages of earlier versions."""

    @property
    def version(self) -> str:
        """The version, which names the stage."""
        return self.stage

    @property
    def label(self) -> str:
        """The words of the stage in a drawing."""
        return f"{_LABELS[self.kind]} {self.stage}"

    def to_dict(self) -> dict[str, Json]:
        """Return the stage as the HTTP API shows it, without its plan."""
        record = write_record(self)
        record.pop("plan", None)
        return {"version": self.version, "parent": "", "desires": [], **record}


def is_maturity(plan: Plan) -> bool:
    """Return whether a plan declares maturity; refuse it together with other morphs."""
    declares = [isinstance(morph.morph, DeclareMaturity) for morph in plan.morphs]
    if any(declares) and len(declares) > 1:
        hint = "move declare_maturity into a plan of its own"
        raise UsageError(f"{plan.id} declares maturity beside other morphs", hint=hint)
    return any(declares)


def is_minor(plan: Plan) -> bool:
    """Return whether a plan is small: mechanism level, at most medium risk, reversible."""
    return (
        all(morph.level is Level.MECHANISM for morph in plan.morphs)
        and plan.risk is not Risk.HIGH
        and plan.migration.is_reversible
    )


def next_stage(
    stages: Sequence[DeployedStage],
    plan: Plan,
    *,
    is_variant: bool = False,
    desires: Sequence[str] = (),
) -> DeployedStage:
    """Return the stage to which a plan leads, after the newest of the stages of its branch."""
    parent = newest(stages) if stages else None
    kind = _next_kind(parent, plan, is_variant=is_variant)
    return DeployedStage(
        stage=_next_version([one.stage for one in stages], parent, kind, is_variant=is_variant),
        kind=kind,
        spec_hash=plan.result.spec_hash,
        plan_hash=plan.hash,
        migration_hash=migration_hash(plan.migration),
        parent=parent.stage if parent else "",
        desires=tuple(desires),
        plan=plan.to_dict(),
        words=plan_in_words(plan),
    )


def rollback_stage(stages: Sequence[DeployedStage], target: DeployedStage) -> DeployedStage:
    """Return the stage that restores an earlier one, after the newest of the stages."""
    now = newest(stages)
    undone = undone_by(stages, target)
    kind = now.kind
    if kind in (StageKind.SEED, StageKind.JUVENILE):
        kind = StageKind.JUVENILE
    elif kind is not StageKind.VARIANT:
        is_small = all(one.kind is StageKind.MINOR for one in undone)
        kind = StageKind.MINOR if is_small else StageKind.MAJOR
    hashes: list[Json] = [one.migration_hash for one in undone]
    return DeployedStage(
        stage=_next_version([one.stage for one in stages], now, kind),
        kind=kind,
        spec_hash=target.spec_hash,
        plan_hash="",
        migration_hash=content_hash(canonical_json(["down", *hashes]).encode()),
        parent=now.stage,
        returns_to=target.stage,
        words=(f"Takes back {', '.join(one.stage for one in undone)}.",),
    )


def undone_by(stages: Sequence[DeployedStage], target: DeployedStage) -> Sequence[DeployedStage]:
    """Return the stages between the newest one and an earlier one, the newest first."""
    undone: list[DeployedStage] = []
    for one in _back(stages, newest(stages)):
        if one.stage == target.stage:
            break
        undone.append(one)
    else:
        raise UsageError(f"{target.stage} is no ancestor of {newest(stages).stage}")
    if not undone:
        hint = "name an earlier stage: attractor grow lineage"
        raise UsageError(f"{target.stage} is the newest stage", hint=hint)
    for one in undone:
        if one.returns_to:
            hint = f"grow again by a plan, or name {one.stage}"
            raise UsageError(f"{one.stage} is a roll-back, which is not undone", hint=hint)
    return undone


def _back(stages: Sequence[DeployedStage], stage: DeployedStage) -> Iterator[DeployedStage]:
    """Yield a stage and its ancestors."""
    known = {one.stage: one for one in stages}
    at: DeployedStage | None = stage
    while at:
        yield at
        at = known.get(at.parent)


def newest(stages: Sequence[DeployedStage]) -> DeployedStage:
    """Return the last stage of a branch; refuse a lineage with several ends."""
    parents = {one.parent for one in stages}
    ends = [one for one in stages if one.stage not in parents]
    if len(ends) != 1:
        named = ", ".join(end.stage for end in ends) or "none"
        hint = f"restore {LINEAGE} from the last promoted commit"
        raise InvalidLineage(f"a branch has one newest stage, not several: {named}", hint=hint)
    return ends[0]


def migration_hash(migration: Sequenced) -> str:
    """Return the hash of a change of recorded state."""
    steps: list[Json] = [
        {"type": type(step).__name__, **write_record(step)} for step in migration.steps
    ]
    return content_hash(canonical_json(steps).encode())


def _next_kind(parent: DeployedStage | None, plan: Plan, *, is_variant: bool) -> StageKind:
    matures = is_maturity(plan)
    if parent is None:
        if is_variant or matures:
            fault = "a variant" if is_variant else "maturity"
            raise UsageError(f"{fault} needs a stage before", hint="deploy the seed first")
        return StageKind.SEED
    if matures and parent.kind not in (StageKind.SEED, StageKind.JUVENILE):
        raise UsageError(f"{parent.stage} is {parent.kind}: maturity is declared once, by a child")
    if is_variant or parent.kind is StageKind.VARIANT:
        return StageKind.VARIANT
    if matures:
        return StageKind.MATURE
    if parent.kind in (StageKind.SEED, StageKind.JUVENILE):
        return StageKind.JUVENILE
    return StageKind.MINOR if is_minor(plan) else StageKind.MAJOR


_VERSION = re.compile(r"v(\d+)-(\d+)")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _next_version(
    taken: Sequence[str], parent: DeployedStage | None, kind: StageKind, *, is_variant: bool = False
) -> str:
    """Return the version of a new stage: `v0`, `v0-2`, `v0-2a`, `v0-2a-2`, `v1-0`, `v2-0`."""
    if parent is None:
        return "v0"
    if is_variant:
        free = (one for one in _LETTERS if f"{parent.stage}{one}" not in taken)
        if letter := next(free, ""):
            return f"{parent.stage}{letter}"
        raise UsageError(f"{parent.stage} has {len(_LETTERS)} variants, which is the limit")
    if kind is StageKind.VARIANT:
        root = re.sub(r"(?<=[a-z])-\d+$", "", parent.stage)
        return _numbered(f"{root}-", taken, first=2)
    numbers = [(int(one[1]), int(one[2])) for one in map(_VERSION.fullmatch, taken) if one]
    major = max((one for one, _ in numbers), default=0)
    if kind in (StageKind.MATURE, StageKind.MAJOR):
        return f"v{major + 1}-0"
    if kind is StageKind.MINOR:
        major = int(parent.stage[1:].partition("-")[0])
    return _numbered(f"v{major}-", taken, first=2 if kind is StageKind.JUVENILE else 1)


def _numbered(prefix: str, taken: Iterable[str], *, first: int) -> str:
    """Return a version with the next number behind a prefix."""
    found = [one.removeprefix(prefix) for one in taken if one.startswith(prefix)]
    return f"{prefix}{max([first - 1, *(int(one) for one in found if one.isdigit())]) + 1}"


def stage_text(stage: DeployedStage) -> str:
    """Return the text of the file of a stage."""
    return json.dumps(write_record(stage), indent=1, ensure_ascii=False) + "\n"


def parse_stage(text: str, *, place: str) -> DeployedStage:
    """Read the text of the file of a stage, or raise InvalidLineage."""
    try:
        record = parse_json(text)
        if not isinstance(record, dict):
            raise InvalidLineage(f"{place}: not a stage")
        stage = read_record(DeployedStage, record)
    except (NotCanonical, UsageError) as cause:
        raise InvalidLineage(f"{place}: {cause.message}", hint=cause.hint) from cause
    if place != str(LINEAGE / f"{stage.stage}.json"):
        raise InvalidLineage(f"{place} describes {stage.stage}", hint="rename the file")
    return stage


def read_stages(repository: Path) -> Sequence[DeployedStage]:
    """Read the stages of an app, the first one first (default: none)."""
    found: list[DeployedStage] = []
    for file in sorted((repository / LINEAGE).glob("*.json")):
        place = str(file.relative_to(repository))
        try:
            found.append(parse_stage(read_regular(file).decode(), place=place))
        except UnicodeDecodeError as cause:
            raise InvalidLineage(f"{place} is not UTF-8") from cause
        except OSError as cause:
            raise file_error("read", file, cause) from cause
    return in_order(found)


def write_stage(stage: DeployedStage, repository: Path) -> None:
    """Write the file of a stage."""
    file = repository / LINEAGE / f"{stage.stage}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, stage_text(stage), sync=False)


def in_order(stages: Iterable[DeployedStage]) -> Sequence[DeployedStage]:
    """Return stages with parents before children, and variants after the main line."""
    children: dict[str, list[DeployedStage]] = {}
    unique = {one.stage: one for one in stages}
    for one in unique.values():
        children.setdefault(one.parent, []).append(one)
    ordered = sorted(children.get("", []), key=_order)
    for one in ordered:
        # The list grows while it is walked: level by level.
        ordered += sorted(children.get(one.stage, []), key=_order)
    if lost := unique.keys() - {one.stage for one in ordered}:
        raise InvalidLineage(f"{min(lost)} follows an unknown stage")
    return ordered


def _order(stage: DeployedStage) -> tuple[bool, list[tuple[int, str]]]:
    parts = re.findall(r"\d+|[a-z]", stage.stage)
    numbered = [(int(part), "") if part.isdigit() else (0, part) for part in parts]
    return stage.kind is StageKind.VARIANT, numbered


def draw_lineage(stages: Iterable[DeployedStage]) -> str:
    """Return the lineage as a Mermaid graph, as the seed draws it."""
    ordered = in_order(stages)
    names = _names(ordered)
    lines = ["graph TD"]
    for one in ordered:
        node = f"{names[one.stage]}[{one.label}]"
        arrow = "-. major -.->" if one.kind is StageKind.MAJOR else "-->"
        lines.append(f"  {names[one.parent]} {arrow} {node}" if one.parent else f"  {node}")
    return "\n".join([*lines, ""])


def _names(ordered: Sequence[DeployedStage]) -> Mapping[str, str]:
    """Return the ids of the drawing: Seed, J1, M1, Mj2, VarA."""
    counts: dict[str, int] = {}
    names: dict[str, str] = {}
    for one in ordered:
        match one.kind:
            case StageKind.SEED:
                names[one.stage] = "Seed"
            case StageKind.MAJOR:
                names[one.stage] = f"Mj{one.stage[1:].partition('-')[0]}"
            case _:
                prefix = {"juvenile": "J", "variant": "Var"}.get(one.kind, "M")
                number = counts[prefix] = counts.get(prefix, 0) + 1
                is_letter = prefix == "Var" and number <= len(_LETTERS)
                last = _LETTERS[number - 1].upper() if is_letter else str(number)
                names[one.stage] = prefix + last
    return names
