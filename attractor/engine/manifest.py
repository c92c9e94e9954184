"""What a run was made from: `manifest.json`."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.engine.fields import Fields
from attractor.engine.promise_records import promises_from_record, promises_to_record
from attractor.engine.seams import Base
from attractor.environments.environment import Promises

FORMAT = 1
"""The format of run directories that this version makes."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a run was made from; what is pinned here never changes.

    A run that goes on from another one has that as its parent, and the visit it was forked at; one
    that goes on in place of its parent has the number of its `restart` (ruling R7).
    """

    run_id: str
    pipeline: str
    goal: str
    started: datetime
    content_hash: str
    base: Base = field(default=Base("", "", ""))
    parent: str = ""
    forked_at: str = ""
    restart: int = 0
    suite: str = ""
    profile: str = ""
    options: JsonObject = field(default_factory=dict[str, Json])
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    promises: Promises = field(default=Promises())


def manifest_to_record(manifest: Manifest) -> dict[str, Json]:
    """Return a manifest as JSON has it."""
    base = manifest.base
    return {
        "format": FORMAT,
        "run_id": manifest.run_id,
        "pipeline": manifest.pipeline,
        "goal": manifest.goal,
        "started": manifest.started.isoformat(),
        "content_hash": manifest.content_hash,
        "base": {"commit": base.commit, "tree": base.tree, "candidate": base.candidate},
        "parent": manifest.parent,
        "forked_at": manifest.forked_at,
        "restart": manifest.restart,
        "suite": manifest.suite,
        "profile": manifest.profile,
        "options": dict(manifest.options),
        "versions": dict(manifest.versions),
        "promises": promises_to_record(manifest.promises),
    }


def manifest_from_record(fields: Fields) -> Manifest:
    """Read a manifest back."""
    base, promises, versions = (fields.inner(one) for one in ("base", "promises", "versions"))
    return Manifest(
        run_id=fields.text("run_id"),
        pipeline=fields.text("pipeline"),
        goal=fields.text("goal"),
        started=fields.time("started"),
        content_hash=fields.text("content_hash"),
        base=Base(base.text("commit"), base.text("tree"), base.text("candidate")),
        parent=fields.text("parent"),
        forked_at=fields.text("forked_at") if fields.has("forked_at") else "",
        restart=fields.number("restart") if fields.has("restart") else 0,
        suite=fields.text("suite"),
        profile=fields.text("profile"),
        options=fields.members("options"),
        versions={name: versions.text(name) for name in fields.members("versions")},
        promises=promises_from_record(promises),
    )
