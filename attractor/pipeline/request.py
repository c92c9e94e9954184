"""How a caller wants a run: kept in its manifest, read again on resume, overridden in part."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.engine.budgets import NO_BUDGETS, Budgets, budgets_from_record, budgets_to_record
from attractor.engine.storage.json_files import Fields
from attractor.engine.storage.secrets import Redactor
from attractor.language.declarations.inputs import variable_of
from attractor.language.diagnostics import suggester
from attractor.language.source.text import quote


class WorkspaceKind(StrEnum):
    """What tree a run works on."""

    ISOLATED = "isolated"
    COPY = "copy"
    IN_PLACE = "in-place"
    NONE = "none"

    @property
    def is_apart(self) -> bool:
        """Whether the run has files of its own, so that the project stays as it is."""
        return self in (WorkspaceKind.ISOLATED, WorkspaceKind.COPY)


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """Everything a person may choose for a run.

    `withheld` names what the run was given and its directory does not keep, for it is secret.
    """

    file: Path
    goal: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    backend: str = "agent"
    model: str = ""
    provider: str = ""
    workspace: WorkspaceKind = WorkspaceKind.ISOLATED
    include_dirty: bool = False
    sandbox: str = "auto"
    interviewer: str = "console"
    answers: Sequence[str] = ()
    outcomes: JsonObject | None = None
    budgets: Budgets = NO_BUDGETS
    suite: str = ""
    profile: str = ""
    handed_in: Sequence[str] = ()
    withheld: Sequence[str] = ()

    def to_record(self) -> dict[str, Json]:
        """Return them as they stand in the manifest; suite and profile are pinned there anyway."""
        return {
            "file": str(self.file),
            "goal": self.goal,
            "inputs": dict(self.inputs),
            "backend": self.backend,
            "model": self.model,
            "provider": self.provider,
            "workspace": self.workspace.value,
            "include_dirty": self.include_dirty,
            "sandbox": self.sandbox,
            "interviewer": self.interviewer,
            "answers": list(self.answers),
            "outcomes": dict(self.outcomes) if self.outcomes is not None else None,
            "budgets": budgets_to_record(self.budgets),
            "handed_in": list(self.handed_in),
            "withheld": list(self.withheld),
        }


def request_from_record(record: JsonObject, *, suite: str, profile: str) -> RunRequest:
    """Read the options back from a manifest."""
    fields = Fields(record, "manifest: options")
    outcomes = record.get("outcomes")
    return RunRequest(
        file=Path(fields.text("file")),
        goal=fields.text("goal"),
        inputs={name: str(value) for name, value in fields.members("inputs").items()},
        backend=fields.text("backend"),
        model=fields.text("model"),
        provider=fields.text("provider"),
        workspace=WorkspaceKind(fields.text("workspace")),
        include_dirty=fields.flag("include_dirty"),
        sandbox=fields.text("sandbox"),
        interviewer=fields.text("interviewer"),
        answers=fields.texts("answers"),
        outcomes=outcomes if isinstance(outcomes, dict) else None,
        budgets=budgets_from_record(fields.inner("budgets")),
        suite=suite,
        profile=profile,
        handed_in=fields.texts("handed_in") if fields.has("handed_in") else (),
        withheld=fields.texts("withheld") if fields.has("withheld") else (),
    )


GOAL = "goal"


INPUT_PREFIX = "inputs."


@dataclass(frozen=True, kw_only=True)
class GivenSecrets:
    """What is given again to a run that goes on."""

    goal: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def by_name(self) -> Mapping[str, str]:
        """Return it all by the names that a manifest has for it."""
        goal = {GOAL: self.goal} if self.goal else {}
        return {**goal, **{f"{INPUT_PREFIX}{name}": value for name, value in self.inputs.items()}}


NOTHING_GIVEN = GivenSecrets()


def kept_record(request: RunRequest, redactor: Redactor) -> dict[str, Json]:
    """Return options as a manifest keeps them: without secrets, and with the names of what went."""
    withheld = dict.fromkeys((*request.withheld, *withheld_of(request, redactor).by_name))
    return redactor.members(replace(request, withheld=tuple(withheld)).to_record())


def withheld_of(request: RunRequest, redactor: Redactor) -> GivenSecrets:
    """Return what of the options no manifest keeps."""
    lost = {name: one for name, one in request.inputs.items() if redactor.text(one) != one}
    is_kept = redactor.text(request.goal) == request.goal
    return GivenSecrets(goal="" if is_kept else request.goal, inputs=lost)


def restored(request: RunRequest, given: GivenSecrets, environ: Mapping[str, str]) -> RunRequest:
    """Return options with what was withheld in its place; what still lacks stays withheld.

    An input may be given by its variable as well.
    """
    by_name = given.by_name
    inputs, goal, lacking = dict(request.inputs), request.goal, list[str]()
    for name in request.withheld:
        bare = name.removeprefix(INPUT_PREFIX)
        value = by_name.get(name) or (environ.get(variable_of(bare)) if name != GOAL else "")
        if name == GOAL:
            goal = value or ""
        elif value:
            inputs[bare] = value
        else:
            inputs.pop(bare, None)
        lacking += [] if value else [name]
    return replace(request, goal=goal, inputs=inputs, withheld=tuple(lacking))


def secrets_of(given: GivenSecrets, redactor: Redactor) -> Iterator[str]:
    """Yield what is secret of what is given again.

    It was withheld for a secret in it: where that is not known to be one any more, all of it is.
    """
    yield from given.inputs.values()
    if given.goal and redactor.text(given.goal) == given.goal:
        yield given.goal


def require_withheld(request: RunRequest, given: GivenSecrets) -> None:
    """Refuse to give a run something else than what its directory does not keep."""
    for name in given.by_name:
        if name not in request.withheld:
            bare = [one.removeprefix(INPUT_PREFIX) for one in request.withheld if one != GOAL]
            told = name.removeprefix(INPUT_PREFIX)
            what = "goal" if name == GOAL else f"input {quote(told)}"
            raise UsageError(
                f"the run is not to be given the {what}: it goes on with what it began with",
                hint=suggester(bare)(told) or "give again only what was secret, or start a new run",
            )
