"""What a run was asked to be: chosen once at its start, kept in its manifest, used on resume."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.engine.budgets import (
    NO_BUDGETS,
    Budgets,
    budgets_from_record,
    budgets_to_record,
)
from attractor.engine.json_files import Fields


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
class RunOptions:
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


def options_from_record(record: JsonObject, *, suite: str, profile: str) -> RunOptions:
    """Read the options back from a manifest."""
    fields = Fields(record, "manifest: options")
    outcomes = record.get("outcomes")
    return RunOptions(
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
