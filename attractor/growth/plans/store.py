"""The plans of a control plane: `plans/<plan id>/plan.json` and `mutation.md`.

The state of a plan is derived from the records in its folder: `dropped.json`, the last state in
`deployment.jsonl`, or a simulation of this very plan. A plan that is being deployed is interrupted
if no process holds the lock of its deployment. A plan whose records cannot be read is corrupt; the
others do not notice it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, NotCanonical
from attractor.base.files import file_error, read_file, write_whole
from attractor.base.journal import read_lines
from attractor.base.json import Json, canonical_json, content_hash, parse_json
from attractor.base.locks import holder_of
from attractor.base.names import find_named
from attractor.base.records import read_object
from attractor.growth.errors import InvalidMorph, UnknownPlan
from attractor.growth.plans.mutation import mutation_text
from attractor.growth.plans.plan import Plan, read_plan
from attractor.growth.specification.store import SpecStore

PLAN = "plan.json"
MUTATION = "mutation.md"
DEPLOYMENT = "deployment.jsonl"
DEPLOYMENT_LOCK = "deployment.lock"
DECISION = "decision"
REJECTION = "rejection"
"""Values of `waits_for`: a decision after the verdict go, a rejection after no-go."""
_DROPPED = "dropped.json"


class PlanState(StrEnum):
    """How far a plan is."""

    OPEN = "open"
    SIMULATED = "simulated"
    DEPLOYING = "deploying"
    INTERRUPTED = "interrupted"
    PARKED = "parked"
    FAILED = "failed"
    DEPLOYED = "deployed"
    DROPPED = "dropped"
    CORRUPT = "corrupt"

    @property
    def is_final(self) -> bool:
        """Whether the plan changes nothing any more."""
        return self in (PlanState.DEPLOYED, PlanState.DROPPED)

    @property
    def is_deploying(self) -> bool:
        """Whether a process deploys the plan, or was interrupted and has to be repeated.

        A parked plan is not deploying: it waits for a person.
        """
        return self in (PlanState.DEPLOYING, PlanState.INTERRUPTED)


LATEST = "latest"


@dataclass(frozen=True)
class WaitingPlan:
    """A plan that goes on only when a person does something, and since when."""

    id: str
    state: PlanState
    since: datetime


def plans_that_wait(growth: Path) -> Sequence[WaitingPlan]:
    """Return the plans of a control plane's folder that wait for a person.

    Of a parked plan, the run is what waits.
    """
    plans = PlanStore(growth / "plans", SpecStore(growth / "specs", growth))
    found: list[WaitingPlan] = []
    for id_ in plans.ids():
        state, folder = plans.recorded_state(id_), plans.folder_of(id_)
        if not (state.is_final or state in (PlanState.DEPLOYING, PlanState.PARKED)):
            noted = next(file for file in (folder / DEPLOYMENT, folder / PLAN) if file.is_file())
            since = datetime.fromtimestamp(noted.stat().st_mtime, UTC)
            found.append(WaitingPlan(id_, state, since))
    return found


def _title(plan: Plan) -> str:
    return f"# Plan {plan.id}\n\n"


class PlanStore:
    """The plans in a folder."""

    def __init__(self, folder: Path, specs: SpecStore) -> None:
        self.folder = folder
        self.specs = specs

    def folder_of(self, plan_id: str) -> Path:
        """Return the folder of a plan."""
        return self.folder / plan_id

    def save(self, plan: Plan) -> None:
        """Store a plan with its base and its description; a stored plan stays as it is."""
        folder = self.folder_of(plan.id)
        if not (folder / PLAN).is_file():
            self.specs.save(plan.base)
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as cause:
                raise file_error("write", folder, cause) from cause
            write_whole(folder / MUTATION, f"{_title(plan)}{mutation_text(plan)}")
            # Written last: a folder without it was not completed.
            text = json.dumps(plan.to_dict(), indent=1, ensure_ascii=False)
            write_whole(folder / PLAN, f"{text}\n")

    def load(self, reference: str) -> Plan:
        """Return the plan with an id, with a unique prefix of an id, or `latest`."""
        id_ = self.find(reference)
        record = read_object(self.folder_of(id_) / PLAN, InvalidMorph)
        base = self.specs.load(f"sg-{str(record.get('base', ''))[:12]}").graph
        plan = read_plan(record, base, place=f"{id_}/{PLAN}")
        if plan.id != id_:
            hint = f"drop the plan, and plan again: attractor grow drop {id_}"
            raise InvalidMorph(f"{id_}/{PLAN} describes {plan.id}", hint=hint)
        return plan

    def mutation(self, plan: Plan) -> str:
        """Return the readable description of a plan, or raise InvalidMorph if it was edited."""
        if fault := self.changed_text(plan):
            hint = f"drop the plan, and plan again: attractor grow drop {plan.id}"
            raise InvalidMorph(fault, hint=hint)
        return read_file(self.folder_of(plan.id) / MUTATION).decode()

    def changed_text(self, plan: Plan) -> str:
        """Return how the description differs from the one that a plan pins, or ""."""
        if not plan.text_hash:
            return ""
        file, title = self.folder_of(plan.id) / MUTATION, _title(plan).encode()
        if not file.is_file():
            return f"{plan.id}/{MUTATION} is missing"
        text = read_file(file)
        is_kept = text.startswith(title) and content_hash(text[len(title) :]) == plan.text_hash
        return "" if is_kept else f"{plan.id}/{MUTATION} was changed by hand"

    def ids(self) -> Sequence[str]:
        """Return the ids of all plans."""
        return sorted(path.parent.name for path in self.folder.glob(f"gp-*/{PLAN}"))

    def open_plans(self) -> Iterator[Plan]:
        """Yield the plans that may still be deployed; a corrupt plan may not."""
        for id_ in self.ids():
            try:
                plan = self.load(id_)
                is_final = self.state(plan).is_final
            except AttractorError:
                continue
            if not is_final:
                yield plan

    def state(self, plan: Plan) -> PlanState:
        """Return the state of a plan."""
        state = self.recorded_state(plan.id)
        if state is not PlanState.OPEN:
            return state
        for report in sorted(self.folder_of(plan.id).glob("simulation/*/report.json")):
            pins = read_object(report, InvalidMorph).get("pins")
            if isinstance(pins, dict) and pins.get("plan_hash") == plan.hash:
                return PlanState.SIMULATED
        return PlanState.OPEN

    def recorded_state(self, plan_id: str) -> PlanState:
        """Return the state of a plan by its records alone, also of a corrupt plan."""
        if self.is_dropped(plan_id):
            return PlanState.DROPPED
        folder = self.folder_of(plan_id)
        try:
            state = PlanState(str(self.last_note(plan_id).get("state", PlanState.OPEN)))
        except ValueError as cause:
            raise InvalidMorph(f"{folder / DEPLOYMENT}: invalid line: {cause}") from cause
        if state is PlanState.DEPLOYING and holder_of(folder / DEPLOYMENT_LOCK) is None:
            return PlanState.INTERRUPTED
        return state

    def last_note(self, plan_id: str) -> Mapping[str, Json]:
        """Return the last line about the deployment of a plan (default: an empty one)."""
        file = self.folder_of(plan_id) / DEPLOYMENT
        try:
            lines = [parse_json(one.content) for one in read_lines(file)] if file.is_file() else []
        except NotCanonical as cause:
            raise InvalidMorph(f"{file}: invalid line: {cause}") from cause
        notes = [line for line in lines if isinstance(line, dict) and "state" in line]
        return notes[-1] if notes else {}

    def drop(self, plan_id: str, reason: str) -> None:
        """Record that a plan is not deployed any more."""
        write_whole(self.folder_of(plan_id) / _DROPPED, f"{canonical_json({'reason': reason})}\n")

    def is_dropped(self, plan_id: str) -> bool:
        """Return whether a plan was dropped."""
        return (self.folder_of(plan_id) / _DROPPED).is_file()

    def find(self, reference: str) -> str:
        """Return the id of a plan by a unique prefix; `latest` is the plan that was made last."""
        if reference == LATEST and (ids := self.ids()):
            return max(ids, key=lambda one: (self.folder_of(one) / PLAN).stat().st_mtime_ns)
        return find_named("plan", reference, self.ids(), unknown=UnknownPlan)
