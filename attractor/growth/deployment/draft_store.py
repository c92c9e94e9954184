"""Drafts of desires of the running app, and the answers of people to them.

    runs/growth/drafts/<draft>.json     an answered draft, with its evidence
    runs/growth/desires/<draft>.json    the desire of an accepted one, for 'grow plan --desires'

The app writes `feedback.jsonl` and `telemetry.json` among its state, so each of their values is
checked here. An answer is recorded before the app may forget the entry: a killed command loses
nothing, and does nothing twice when it is repeated.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from attractor.base.errors import NotCanonical, Refused, UnknownName, UsageError
from attractor.base.files import file_error, read_file, write_whole
from attractor.base.json import Json, canonical_json, parse_json
from attractor.base.locks import FileLock
from attractor.base.records import read_object, read_record, write_fields, write_record
from attractor.growth.deployment.monitor import TELEMETRY
from attractor.growth.deployment.release import RECORD, Release, Releases
from attractor.growth.errors import InvalidDesire, InvalidFeedback
from attractor.growth.plans.drafts import (
    AnsweredDraft,
    AppUse,
    Cause,
    Choice,
    Draft,
    FeedbackEntry,
    draft_desires,
)
from attractor.growth.plans.feedback import NodeCounts, read_telemetry
from attractor.growth.specification.files import NODES, read_spec
from attractor.growth.specification.graph import NODE_ID, SpecGraph

FEEDBACK, CLOSED = "feedback.jsonl", "feedback.closed.json"
MOST_OPEN, LONGEST = 200, 2000
"""What the app keeps; more than that is not read."""
_LARGEST = 4_000_000
_PATIENCE_S = 10.0


class _Written(BaseModel):
    """A line of `feedback.jsonl`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    at: AwareDatetime
    words: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    panel: Annotated[str, Field(pattern=f"^({NODE_ID.pattern})?$", max_length=200)] = ""
    release: Annotated[str, Field(pattern="^(v[0-9][0-9a-z-]*)?$", max_length=40)] = ""


class DraftStore:
    """The drafts of an app, in the folder of its control plane."""

    def __init__(self, growth: Path) -> None:
        self._releases = Releases(growth / "releases")
        self._answers = growth / "drafts"
        self._desires = growth / "desires"

    def open(self, now: datetime) -> Sequence[Draft]:
        """Return the drafts that wait for a person, the oldest first."""
        current = self._releases.current
        if current is None:
            return ()
        spec = _spec_of(current.tree, (current.folder / RECORD).stat().st_mtime_ns)
        feedback = tuple(read_feedback(current))
        return draft_desires(self._use(current, spec), feedback, spec, now, self.answered())

    def answered(self) -> Mapping[str, AnsweredDraft]:
        """Return the drafts that a person answered, by their ids."""
        return {one.stem: _read_answer(one) for one in sorted(self._answers.glob("*.json"))}

    def desire_file(self, draft_id: str) -> Path:
        """Return the file of the desire of an accepted draft."""
        return self._desires / f"{draft_id}.json"

    def answer(
        self, draft_id: str, choice: Choice, *, by: str, now: datetime, reason: str = ""
    ) -> AnsweredDraft:
        """Record the answer to a draft; the same answer again changes nothing.

        An accepted draft becomes the file of a desire. Raise Refused after another answer.
        """
        for folder in (self._answers, self._desires):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as cause:
                raise file_error("write", folder, cause) from cause
        with FileLock(self._answers / "lock").acquire(wait=_PATIENCE_S):
            answered = self.answered().get(draft_id)
            if answered and answered.choice is not choice:
                raise Refused(
                    f"{draft_id} was {answered.choice} by {answered.by}",
                    hint="list the open ones: attractor grow feedback --list",
                )
            if answered is None:
                answered = self._record(draft_id, choice, by, now, reason)
            self._close()
        return answered

    def _record(
        self, draft_id: str, choice: Choice, by: str, now: datetime, reason: str
    ) -> AnsweredDraft:
        found = {one.id: one for one in self.open(now)}
        if draft_id not in found:
            raise UnknownName("draft", draft_id, found)
        draft = found[draft_id]
        if choice is Choice.ACCEPTED:
            if draft.fault:
                hint = f"dismiss it: attractor grow feedback --dismiss {draft_id}"
                raise InvalidDesire(f"{draft_id}: {draft.fault}", hint=hint)
            desire = json.dumps(draft.desire.to_dict(), ensure_ascii=False)
            write_whole(self.desire_file(draft_id), f"{desire}\n")
        answered = AnsweredDraft(draft, choice, by, now, reason)
        record = canonical_json(write_record(answered))
        write_whole(self._answers / f"{draft_id}.json", f"{record}\n")
        return answered

    def _close(self) -> None:
        """Let the app forget the entries of its feedback that are answered."""
        if current := self._releases.current:
            known = self.answered()
            entries = [one.id for one in read_feedback(current)]
            closed: list[Json] = [id_ for id_ in entries if f"{Cause.FEEDBACK}-{id_}" in known]
            write_whole(current.state / CLOSED, canonical_json(closed))

    def _use(self, current: Release, spec: SpecGraph) -> AppUse:
        counts = _counts_of(current)
        panels = [one.id for one in spec.of_kind("panel")]
        opened = {id_: _day_of(counts, id_) for id_ in panels}
        first = {id_: _started(current).date() for id_ in panels}
        for release in self._releases.before(current.record.stage):
            # After an erasure nothing is known.
            if all(opened.values()) or not release.state.is_dir():
                break
            earlier = _counts_of(release)
            for id_ in panels:
                opened[id_] = opened[id_] or _day_of(earlier, id_)
                if (release.tree / NODES / "panel" / f"{id_}.json").is_file():
                    first[id_] = _started(release).date()
        days = {id_: day or first[id_] for id_, day in opened.items()}
        return AppUse(current.record.stage, _started(current), counts, days)


def _read_answer(file: Path) -> AnsweredDraft:
    try:
        return read_record(AnsweredDraft, read_object(file, InvalidFeedback))
    except UsageError as cause:
        hint = f"restore it from a backup, or remove it and answer again: rm {file}"
        fault = f"{file} is no answer: {cause.message.removeprefix(f'{file}: ')}"
        raise InvalidFeedback(fault, hint=hint) from cause


def read_feedback(release: Release) -> Iterator[FeedbackEntry]:
    """Yield the entries that the app wrote; lines that it cannot have written are left out."""
    file, seen = release.state / FEEDBACK, set[str]()
    if file.is_symlink() or not file.is_file():
        return
    if file.stat().st_size > _LARGEST:
        raise InvalidFeedback(f"{file} is larger than {_LARGEST:,} bytes", hint="remove it")
    for line in read_file(file).split(b"\n"):
        try:
            written = _Written.model_validate_json(line)
        except ValidationError:
            continue
        if written.id not in seen and len(seen) < MOST_OPEN:
            seen.add(written.id)
            yield FeedbackEntry(**written.model_dump())


def carry_feedback(old: Release, new: Release) -> None:
    """Copy the open feedback of a release into the next one; it is no record, and no migration."""
    closed = _closed_of(old)
    entries = (entry for entry in read_feedback(old) if entry.id not in closed)
    lines = [canonical_json(write_fields(entry)) for entry in entries]
    if lines:
        write_whole(new.state / FEEDBACK, "".join(f"{line}\n" for line in lines))


def _closed_of(release: Release) -> Collection[Json]:
    """Return the ids of the entries that are answered; the app can write this file as well."""
    file = release.state / CLOSED
    if file.is_symlink() or not file.is_file() or file.stat().st_size > _LARGEST:
        return ()
    try:
        closed = parse_json(read_file(file))
    except NotCanonical:
        return ()
    return closed if isinstance(closed, list) else ()


@lru_cache(maxsize=16)
def _spec_of(tree: Path, changed: int) -> SpecGraph:
    """Return the specification of a release, whose files do not change after their time."""
    return read_spec(tree)


def _started(release: Release) -> datetime:
    return datetime.fromtimestamp((release.folder / RECORD).stat().st_mtime, UTC)


def _counts_of(release: Release) -> Mapping[str, NodeCounts]:
    file = release.state / TELEMETRY
    return read_telemetry(file).telemetry if file.is_file() else {}


def _day_of(counts: Mapping[str, NodeCounts], id_: str) -> date | None:
    """Return the last day on which a person opened a panel."""
    day = counts[id_].last_view if id_ in counts else 0
    return date.fromordinal(day) if day else None
