"""The report of a simulation, and where it is kept (ruling G10).

A simulation pins the plan, the traffic and the state by hash. A deployment wants a simulation of
this very plan, a rehearsal from medium risk on, and no change that the plan does not announce.
"""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from attractor.base.files import read_file, write_whole
from attractor.base.json import canonical_json, content_hash
from attractor.growth.errors import InvalidSimulation
from attractor.growth.morph import Risk

REPORT = "report.json"


class Depth(StrEnum):
    """How deep a simulation goes."""

    SPEC = "spec"
    REHEARSAL = "rehearsal"


def depth_for(risk: Risk) -> Depth:
    """Return the depth that a risk needs: a rehearsal from medium risk on."""
    return Depth.SPEC if risk is Risk.LOW else Depth.REHEARSAL


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pins(_Part):
    """The plan, traffic and state of a simulation, by hash."""

    plan_hash: str
    traffic_hash: str
    state_hash: str
    depth: Depth


class Difference(_Part):
    """The change of the specification, in words."""

    summary: str
    changes: tuple[str, ...]


class FileChange(_Part):
    """A generated file that the plan adds, changes or removes."""

    path: str
    change: str
    part: str
    nodes: tuple[str, ...]


class StateSeen(_Part):
    """How many records a state has, of how many entities."""

    records: int
    entities: int


class StateChange(_Part):
    """The effect of the migration on copies of the running app's state and of recorded ones.

    `records` and `entities` are those of the recordings.
    """

    description: str
    is_reversible: bool
    records: int
    fault: str = ""
    misfits: tuple[str, ...] = ()
    """The records that do not fit the new shape, without values."""
    entities: int = 0
    running: StateSeen | None = None
    """The state of the running app; None if the plan was not tried on it, see the risks."""


class Traffic(_Part):
    """How many recorded requests the plan may change."""

    requests: int
    claimed: int


class WillChange(_Part):
    """A request to which the built app responds in another way."""

    request: str
    change: str
    is_expected: bool


class Rehearsal(_Part):
    """The responses of the built app that differ, and what it does not do at all."""

    run_id: str
    tree: str
    will_change: tuple[WillChange, ...]
    faults: tuple[str, ...] = ()


class Simulation(_Part):
    """The report of a simulation."""

    simulation_id: str
    plan_id: str
    pins: Pins
    diff: Difference
    is_first: bool = False
    """Whether the plan leads to the first stage of the app: everything is new."""
    files: tuple[FileChange, ...]
    risks: tuple[str, ...]
    may_change: tuple[str, ...]
    traffic: Traffic
    migration: StateChange
    screenshots: tuple[str, ...] = ()
    """Files beside the report."""
    rehearsal: Rehearsal | None = None
    hash: str = ""
    """The hash of all other members, in a stored report."""

    def is_enough_for(self, risk: Risk) -> bool:
        """Whether the simulation is as deep as the risk of its plan needs."""
        return self.pins.depth is Depth.REHEARSAL or depth_for(risk) is Depth.SPEC

    @property
    def faults(self) -> Sequence[str]:
        """The faults that block a deployment."""
        found = [self.migration.fault] if self.migration.fault else []
        if self.rehearsal:
            found += self.rehearsal.faults
            found += [
                f"{one.request} changes, which the plan does not say: {one.change}"
                for one in self.rehearsal.will_change
                if not one.is_expected
            ]
        return found


def save_simulation(simulation: Simulation, folder: Path) -> None:
    """Write the report into its folder, last of all files."""
    sealed = simulation.model_copy(update={"hash": _hash_of(simulation)})
    write_whole(folder / REPORT, f"{sealed.model_dump_json(indent=1)}\n")


def read_simulation(folder: Path) -> Simulation:
    """Read a report, or raise InvalidSimulation, also if it was edited."""
    file = folder / REPORT
    plan_id = folder.parents[1].name
    hint = f"remove {folder}, and simulate the plan again: attractor grow simulate {plan_id}"
    try:
        found = Simulation.model_validate_json(read_file(file))
    except ValidationError as cause:
        error = cause.errors(include_url=False)[0]
        key = ".".join(str(one) for one in error["loc"])
        raise InvalidSimulation(f"{file}: {key}: {error['msg'].lower()}", hint=hint) from cause
    if found.hash != _hash_of(found):
        fault = f"{file} was edited, or an earlier version wrote it"
        raise InvalidSimulation(fault, hint=hint)
    return found


def _hash_of(simulation: Simulation) -> str:
    # Without defaults: a member that a later version adds keeps the hash.
    record = simulation.model_dump(mode="json", exclude={"hash"}, exclude_defaults=True)
    return content_hash(canonical_json(record).encode())


def simulations_of(plan_folder: Path, plan_hash: str) -> Sequence[Simulation]:
    """Return the simulations of this very plan: the deepest one first, then the newest one."""
    files = sorted(
        plan_folder.glob(f"simulation/*/{REPORT}"),
        key=lambda file: file.stat().st_mtime_ns,
        reverse=True,
    )
    found = [read_simulation(file.parent) for file in files]
    valid = [one for one in found if one.pins.plan_hash == plan_hash]
    return sorted(valid, key=lambda one: list(Depth).index(one.pins.depth), reverse=True)
