"""Feedback on an app for its next plan: counts per node, and the verdict on a run.

The feedback holds numbers and ids, no words of the app's users. It goes into the next plan that a
model makes, and is then kept beside this plan.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error, write_whole
from attractor.base.json import Json
from attractor.base.records import read_object, read_record, write_fields
from attractor.factory.evaluation.feedback import Feedback
from attractor.growth.errors import InvalidFeedback

FEEDBACK = "feedback.json"
_NODE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)?")


class NodeCounts(BaseModel):
    """The telemetry of a node; files of earlier apps have the first three counts only.

    `slow` are runs of more than a second, `views` are openings of a panel, and `last_view` is the
    number of the day of the last one (`date.fromordinal`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    runs: int = Field(default=0, ge=0)
    errors: int = Field(default=0, ge=0)
    guard_hits: int = Field(default=0, ge=0)
    slow: int = Field(default=0, ge=0)
    views: int = Field(default=0, ge=0)
    last_view: int = Field(default=0, ge=0, le=date.max.toordinal())


_TELEMETRY = TypeAdapter(
    dict[Annotated[str, Field(pattern=f"^{_NODE.pattern}$", max_length=200)], NodeCounts]
)


@dataclass(frozen=True)
class AppFeedback:
    """Counts per node, and the verdict on a run in rule ids, tags and counts."""

    telemetry: Mapping[str, NodeCounts] = field(default_factory=dict[str, NodeCounts])
    gate: Feedback | None = None

    def to_dict(self) -> dict[str, Json]:
        """Return the JSON record."""
        telemetry: Mapping[str, Any] = {
            name: one.model_dump() for name, one in sorted(self.telemetry.items())
        }
        return {
            "telemetry": dict(telemetry),
            "gate": write_fields(self.gate) if self.gate else None,
        }

    def __or__(self, newer: "AppFeedback") -> "AppFeedback":
        return AppFeedback(newer.telemetry or self.telemetry, newer.gate or self.gate)


def read_telemetry(file: Path) -> AppFeedback:
    """Read the counts of a running app, such as its `telemetry.json`."""
    return AppFeedback(telemetry=_counts(read_object(file, InvalidFeedback), file))


def read_verdict(file: Path) -> AppFeedback:
    """Read the verdict on a run, its `feedback.json`."""
    return AppFeedback(gate=read_record(Feedback, read_object(file, InvalidFeedback)))


def load_feedback(folder: Path) -> AppFeedback | None:
    """Return the feedback in a folder, if there is one."""
    file = folder / FEEDBACK
    if not file.is_file():
        return None
    record = cast("Mapping[str, Any]", read_object(file, InvalidFeedback))
    gate = read_record(Feedback, record["gate"]) if record["gate"] else None
    return AppFeedback(_counts(record["telemetry"], file), gate)


def save_feedback(feedback: AppFeedback, folder: Path) -> None:
    """Write the feedback into a folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise file_error("write", folder, cause) from cause
    write_whole(folder / FEEDBACK, f"{json.dumps(feedback.to_dict(), indent=1)}\n")


def move_feedback(folder: Path, to: Path) -> None:
    """Move the feedback of a folder into another one."""
    try:
        (folder / FEEDBACK).replace(to / FEEDBACK)
    except OSError as cause:
        raise file_error("move", folder / FEEDBACK, cause) from cause


def _counts(value: object, file: Path) -> Mapping[str, NodeCounts]:
    try:
        return _TELEMETRY.validate_python(value)
    except ValidationError as cause:
        error = cause.errors(include_url=False)[0]
        place = ".".join(map(str, error["loc"]))
        hint = 'write {"NODE": {"runs": 0, "errors": 0, "guard_hits": 0}}'
        raise InvalidFeedback(f"{file}: {place}: {error['msg'].lower()}", hint=hint) from cause
