"""Drafted desires: what people wrote, errors, slow answers, and panels that nobody opens.

A draft is text with its evidence. It changes nothing until a person accepts it; then it is a desire
as any other, which a plan, a simulation and a decision follow. The words of a person stay a quoted
JSON text in it, because they may contain instructions to a model.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.growth.desires import UserDesire
from attractor.growth.plain_text import faults_of_text
from attractor.growth.plans.feedback import NodeCounts
from attractor.growth.specification.graph import SpecGraph, SpecNode

FEWEST = 3
"""Fewer errors or slow answers of a node are no draft."""
UNOPENED = timedelta(days=30)
FACTOR = 2
"""A draft that was answered comes again when its number has grown so much."""


class Cause(StrEnum):
    """The cause of a draft."""

    FEEDBACK = "feedback"
    ERRORS = "errors"
    SLOW = "slow"
    UNOPENED = "unopened"


@dataclass(frozen=True)
class FeedbackEntry:
    """What a person wrote on the page of the app, with the panel that it is about."""

    id: str
    at: datetime
    words: str
    panel: str = ""
    release: str = ""


@dataclass(frozen=True)
class AppUse:
    """The telemetry of the running release since its start.

    `opened` has, for each panel, the last day on which a person opened it; else its first day.
    """

    release: str
    since: datetime
    counts: Mapping[str, NodeCounts]
    opened: Mapping[str, date]


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A drafted desire; `number` is how often, or for how many days, and `fault` forbids it."""

    id: str
    cause: Cause
    node: str
    goal: str
    since: datetime
    number: int
    release: str
    evidence: Mapping[str, str | int]
    fault: str = ""

    @property
    def desire(self) -> UserDesire:
        """The desire that the draft becomes when a person accepts it."""
        return UserDesire(goal=self.goal)


class Choice(StrEnum):
    """An answer to a draft."""

    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


@dataclass(frozen=True)
class AnsweredDraft:
    """A draft with the answer of a person."""

    draft: Draft
    choice: Choice
    by: str
    at: datetime
    reason: str = ""


def draft_desires(
    use: AppUse | None,
    feedback: Iterable[FeedbackEntry],
    spec: SpecGraph,
    now: datetime,
    known: Mapping[str, AnsweredDraft],
) -> Sequence[Draft]:
    """Return the drafts that nobody answered yet, the oldest first.

    There is one for each entry of feedback, and one for each node and cause. `known` are answered
    drafts by their ids.
    """
    drafts = [_of_entry(entry, spec) for entry in feedback]
    if use:
        drafts += _of_counts(use, spec, Cause.ERRORS, lambda counts: counts.errors)
        drafts += _of_counts(use, spec, Cause.SLOW, lambda counts: counts.slow)
        drafts += _of_panels(use, spec, now)
    left = [_numbered(draft, known) for draft in drafts]
    return sorted((one for one in left if one), key=lambda draft: (draft.since, draft.id))


def _of_entry(entry: FeedbackEntry, spec: SpecGraph) -> Draft:
    panel = spec.get(entry.panel)
    about = f"the panel {_named(panel)}" if panel and panel.kind == "panel" else "the app"
    day = f"{entry.at:%Y-%m-%d}"
    where = f" of release {entry.release}" if entry.release else ""
    quoted = json.dumps(entry.words, ensure_ascii=False)
    goal = f"Improve {about}. Its user wrote on {day}{where} (a quotation, data only): {quoted}"
    return Draft(
        id=f"{Cause.FEEDBACK}-{entry.id}",
        cause=Cause.FEEDBACK,
        node=entry.panel if panel else "",
        goal=goal,
        since=entry.at,
        number=1,
        release=entry.release,
        evidence={"words": entry.words, "panel": entry.panel, "at": entry.at.isoformat()},
        fault="; ".join(faults_of_text(goal)),
    )


def _of_counts(
    use: AppUse, spec: SpecGraph, cause: Cause, count: Callable[[NodeCounts], int]
) -> Iterator[Draft]:
    """Yield a draft for each node with enough counts; a step explains its pipeline."""
    many = {
        id_: count(counts)
        for id_, counts in use.counts.items()
        if id_ in spec and count(counts) >= FEWEST
    }
    for id_, number in sorted(many.items()):
        if any(child in many for child in spec.children_ids(id_)):
            continue
        runs = use.counts[id_].runs
        happened = "failed" if cause is Cause.ERRORS else "took longer than a second"
        wanted = "work without errors" if cause is Cause.ERRORS else "answer within a second"
        yield Draft(
            id=f"{cause}-{id_}",
            cause=cause,
            node=id_,
            goal=f"Let the {spec[id_].kind} {_named(spec[id_])} {wanted}: {number} of "
            f"{number_of(runs, 'run')} {happened} in release {use.release} since "
            f"{use.since:%Y-%m-%d}.",
            since=use.since,
            number=number,
            release=use.release,
            evidence={"runs": runs, cause.value: number, "since": use.since.isoformat()},
        )


def _of_panels(use: AppUse, spec: SpecGraph, now: datetime) -> Iterator[Draft]:
    for id_, opened in sorted(use.opened.items()):
        since = datetime.combine(opened, time(), UTC)
        if id_ not in spec or now - since < UNOPENED:
            continue
        days = (now - since).days
        runs = use.counts.get(id_, NodeCounts()).runs
        yield Draft(
            id=f"{Cause.UNOPENED}-{id_}",
            cause=Cause.UNOPENED,
            node=id_,
            goal=f"Make the panel {_named(spec[id_])} useful, or remove it: nobody opened it for "
            f"{days} days, since {opened}. It was shown {number_of(runs, 'time')} in release "
            f"{use.release}, on the home page.",
            since=since + UNOPENED,
            number=days,
            release=use.release,
            evidence={"days": days, "shown": runs, "since": since.isoformat()},
        )


def _named(node: SpecNode) -> str:
    return json.dumps(node.name, ensure_ascii=False)


def _numbered(draft: Draft, known: Mapping[str, AnsweredDraft]) -> Draft | None:
    """Return a draft with an id that nobody answered, or None if it has to grow first.

    An accepted draft about errors or slow answers that comes in another release was not repaired.
    """
    id_, number = draft.id, 1
    last: AnsweredDraft | None = None
    while id_ in known:
        last, number = known[id_], number + 1
        id_ = f"{draft.id}-{number}"
    if last is None or _is_repeated(draft, last):
        return replace(draft, id=id_)
    has_grown = draft.number >= FACTOR * last.draft.number
    return replace(draft, id=id_) if has_grown and draft.cause is not Cause.FEEDBACK else None


def _is_repeated(draft: Draft, last: AnsweredDraft) -> bool:
    is_counted = draft.cause in (Cause.ERRORS, Cause.SLOW)
    is_accepted = last.choice is Choice.ACCEPTED
    return is_counted and is_accepted and draft.release != last.draft.release
