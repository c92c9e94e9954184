"""Backs up the records of the running app in one file, and restores them.

A backup is checked by opening it: an app of the same release takes its records over in a folder of
its own, answers, and gives back the same bytes. Restored records replace all others in one
transaction of the app. People and their links are no records: a backup does not bring one back who
was removed.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused
from attractor.base.files import write_whole
from attractor.base.json import Json, canonical_json, content_hash
from attractor.base.records import read_object, read_record, write_record
from attractor.environments.selection import EnvironmentChoice
from attractor.growth.apps.process import export_state, import_state, running_app
from attractor.growth.deployment.release import Release
from attractor.growth.deployment.transfer import require_healthy, require_same
from attractor.growth.errors import InvalidState
from attractor.growth.migration import State, parse_records, state_text
from attractor.growth.specification.files import read_spec
from attractor.workspaces.folders import scratch_folder


@dataclass(frozen=True)
class Backup:
    """The records of a stage as canonical JSON lines by entity, and the hash of these texts."""

    stage: str
    spec_hash: str
    made: str
    hash: str
    records: Mapping[str, str]

    @property
    def state(self) -> State:
        """The records."""
        return {name: parse_records(text, place=name) for name, text in self.records.items()}


async def write_backup(
    release: Release, file: Path, sandbox: EnvironmentChoice, *, now: datetime
) -> Backup:
    """Write a new file with the records of a release, which may run, and open it again."""
    if file.exists():
        raise Refused(f"{file} exists", hint="name another file")
    state = await export_state(release.tree, release.state, sandbox=sandbox)
    texts = {name: state_text(records) for name, records in state.items()}
    made = now.isoformat(timespec="seconds")
    backup = Backup(release.record.stage, _shape(release), made, _hash_of(texts), texts)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, canonical_json(write_record(backup)), mode=0o600)
    return await open_backup(release, file, sandbox)


async def open_backup(release: Release, file: Path, sandbox: EnvironmentChoice) -> Backup:
    """Return a backup after an app of the release has opened it, or refuse it."""
    backup = read_record(Backup, read_object(file, InvalidState))
    if backup.hash != _hash_of(backup.records):
        raise InvalidState(f"{file} is damaged, or was edited", hint="use another backup")
    if backup.spec_hash != _shape(release):
        stage = release.record.stage
        hint = f"roll back first: attractor grow rollback {backup.stage}"
        raise Refused(f"{file} is of {backup.stage}, whose records {stage} cannot keep", hint=hint)
    with scratch_folder() as folder:
        await import_state(release.tree, folder, backup.state, sandbox=sandbox)
        async with running_app(release.tree, folder, sandbox=sandbox) as app:
            await asyncio.to_thread(require_healthy, app.url)
        opened = await export_state(release.tree, folder, sandbox=sandbox)
    require_same(backup.state, opened, "the opened backup")
    return backup


async def restore_backup(release: Release, backup: Backup, sandbox: EnvironmentChoice) -> None:
    """Replace the records of a release, whose app rests, by those of an opened backup."""
    await import_state(release.tree, release.state, backup.state, sandbox=sandbox)
    found = await export_state(release.tree, release.state, sandbox=sandbox)
    require_same(backup.state, found, "the restored app")


def _shape(release: Release) -> str:
    return read_spec(release.tree).spec_hash


def _hash_of(texts: Mapping[str, str]) -> str:
    return content_hash(canonical_json(cast("dict[str, Json]", dict(texts))).encode())
