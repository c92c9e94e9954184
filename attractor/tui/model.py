"""The screen as data: the rows, the chosen one, and the actions that a key takes on it.

Every action is a request that was made for the row that is shown. So a key that is pressed after a
question was replaced answers nothing: the request names the old question.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from attractor.base.amounts import format_cost, number_of
from attractor.base.dataclasses import dataclass
from attractor.base.durations import format_age
from attractor.base.json import Json
from attractor.language.source.text import columns_of, visible
from attractor.tui.client import (
    Actor,
    Attention,
    Choice,
    Evidence,
    Message,
    Project,
    Question,
    Remark,
    Request,
    Run,
    Stage,
    place,
)

PLACE = "file:line"
"""The field of a prompt that becomes the file and the line of a remark."""

FIELDS = "fields."
"""The begin of the field of a prompt that is a field of a choice."""

MOST_FILES = 20
"""The most changed files that are named."""

_PLACE = re.compile(r".+:[1-9][0-9]{0,8}")

SETTLED = "settled"
"""The word of a row that was settled meanwhile."""


class Section(StrEnum):
    """A part of the list."""

    ATTENTION = "NEEDS YOU"
    ACTORS = "ACTORS"


@dataclass(frozen=True)
class Row:
    """A line of the list: one thing that needs a person, or an actor."""

    id: str
    section: Section
    project: Project
    name: str
    status: str
    reason: str
    since: datetime
    cost: str
    run_id: str
    actor: Actor | None = None
    need: str = ""
    command: str = ""
    questions: Sequence[Question] = ()
    choices: Sequence[Choice] = ()
    shown: Sequence[str] = ()
    is_settled: bool = False


def row_of_need(need: Attention, actors: Mapping[tuple[str, str], Actor]) -> Row:
    """Return the row of something that needs a person."""
    return Row(
        need.id,
        Section.ATTENTION,
        need.project,
        need.name if need.actor else need.about or need.name,
        need.need,
        need.reason,
        need.since,
        format_cost(need.cost_usd, is_partial=bool(need.unpriced_tokens)),
        need.run_id,
        actors.get((need.project.id, need.actor)),
        need.need,
        need.command,
        need.questions,
        need.choices,
        [one.id for one in need.rows],
    )


def row_of_actor(actor: Actor) -> Row:
    """Return the row of an actor."""
    return Row(
        f"actor:{actor.project.id}/{actor.name}",
        Section.ACTORS,
        actor.project,
        actor.name,
        actor.plain,
        actor.reason,
        actor.since,
        format_cost(actor.cost_usd, is_partial=bool(actor.unpriced_tokens)),
        actor.run or actor.last_run,
        actor,
    )


@dataclass(frozen=True)
class Listing:
    """The rows, and the id of the chosen one."""

    rows: Sequence[Row] = ()
    chosen_id: str = ""

    @property
    def chosen(self) -> Row | None:
        """The chosen row."""
        return next((row for row in self.rows if row.id == self.chosen_id), None)

    def of(self, section: Section) -> Sequence[Row]:
        """Return the rows of a section."""
        return [row for row in self.rows if row.section is section]

    def choose(self, row_id: str) -> "Listing":
        """Choose a row; a settled one leaves the list as soon as another is chosen."""
        kept = [row for row in self.rows if row.id == row_id or not row.is_settled]
        return Listing(kept, row_id)

    def refresh(self, needs: Sequence[Attention], actors: Sequence[Actor]) -> "Listing":
        """Return the list with new facts; the chosen row stays in its place, also when settled."""
        known = {(actor.project.id, actor.name): actor for actor in actors}
        rows = [
            *(row_of_need(one, known) for need in needs for one in (need, *need.rows)),
            *sorted(map(row_of_actor, actors), key=lambda row: (row.name, row.project.folder)),
        ]
        chosen = self.chosen
        if chosen and not any(row.id == chosen.id for row in rows):
            of_actor = chosen.actor and known.get((chosen.project.id, chosen.actor.name))
            settled = replace(
                chosen, status=SETTLED, is_settled=True, actor=of_actor, questions=(), choices=()
            )
            # The last need may be gone: then the row begins the list.
            before = [row.id for row in self.rows].index(chosen.id)
            rows.insert(min(before, len(rows)), settled)
            rows.sort(key=lambda row: row.section is Section.ACTORS)
        first = rows[0].id if rows else ""
        return Listing(rows, chosen.id if chosen else first)

    def next_need(self) -> str:
        """Return the id of the oldest need after the chosen row, or else the oldest one."""
        ids = [row.id for row in self.of(Section.ATTENTION) if not row.is_settled]
        every = [row.id for row in self.rows]
        place_of = every.index(self.chosen_id) if self.chosen_id in every else -1
        after = (one for one in ids if every.index(one) > place_of)
        return next(after, ids[0] if ids else "")


def line_of(row: Row, now: datetime, width: int, *, is_chosen: bool) -> str:
    """Return the line of a row; the chosen one has a mark, so that it is seen without colors."""
    mark, age = ">" if is_chosen else " ", format_age(now - row.since)
    first = row.reason.strip().partition("\n")[0]
    words = f"{row.status}: {first}" if row.need and first else row.status
    start = f"{mark} {fit(row.name, 12)} {age:>3} "
    return start + fit(words, width - columns_of(start))


@lru_cache(maxsize=4096)
def fit(text: str, width: int) -> str:
    """Return a text in exactly so many columns of a terminal; none are left for it below 1."""
    if width < 1:
        return ""
    shown, columns = "", 0
    for letter in visible(text):
        if columns + columns_of(letter) > width:
            # A letter may be two columns wide.
            while columns > width - 1:
                columns -= columns_of(shown[-1])
                shown = shown[:-1]
            return f"{shown}…{' ' * (width - columns - 1)}"
        shown, columns = shown + letter, columns + columns_of(letter)
    return shown + " " * (width - columns)


def lines_of(text: str) -> list[str]:
    """Return the lines of a text that an agent wrote, with visible control characters."""
    return [visible(line.expandtabs(4)) for line in text.replace("\r\n", "\n").split("\n")]


@dataclass(frozen=True)
class Prompt:
    """A text that a person types before a request is sent; it becomes a field of the body.

    Without a field, the person only confirms.
    """

    field: str
    words: str
    default: str = ""
    is_required: bool = True

    def takes(self, text: str) -> bool:
        """Return whether a text is an answer; the place of a remark is FILE:LINE."""
        if self.field == PLACE:
            return bool(_PLACE.fullmatch(text))
        return bool(text) or not self.is_required


@dataclass(frozen=True)
class Action:
    """A key that changes something; an action without a key is in the palette only."""

    key: str
    label: str
    request: Request
    prompts: Sequence[Prompt] = ()

    def filled(self, texts: Sequence[str]) -> Request:
        """Return the request with the texts that the person typed, one for each prompt."""
        typed: dict[str, Json] = {
            prompt.field: text
            for prompt, text in zip(self.prompts, texts, strict=True)
            if prompt.field and text
        }
        fields = {
            name.removeprefix(FIELDS): typed.pop(name)
            for name in [*typed]
            if name.startswith(FIELDS)
        }
        if fields:
            known = self.request.body["fields"]
            typed["fields"] = {**known, **fields} if isinstance(known, dict) else fields
        if at := typed.pop(PLACE, None):
            file, _, line = str(at).rpartition(":")
            typed |= {"file": file, "line": int(line)}
        return replace(self.request, body={**self.request.body, **typed})


def actions_for(row: Row, run: Run | None) -> Sequence[Action]:
    """Return what a person can do with a row and its run, the nearest first."""
    return [
        *_of_need(row),
        *_of_run(row, run),
        *_of_actor(row),
    ]


def _of_need(row: Row) -> Iterator[Action]:
    if row.section is Section.ACTORS or row.is_settled:
        return
    path = place("attention", row.id, "settle")
    for one in row.choices:
        prompts = [Prompt(f"{FIELDS}{f.name}", f.label, "", f.is_required) for f in one.fields]
        body: dict[str, Json] = {"choice": one.key, "fields": {**one.values}, "rows": [*row.shown]}
        yield Action(one.letter, one.label, Request(path, body), prompts)
    prompt = Prompt("duration", "Snooze for", "1h")
    yield Action("z", "snooze", Request(place("attention", row.id, "snooze"), {}), [prompt])


def _of_run(row: Row, run: Run | None) -> Iterator[Action]:
    if run is None:
        return

    def order(key: str, label: str, word: str, *prompts: Prompt, **body: Json) -> Action:
        return Action(key, label, Request(place("runs", row.run_id, word), body), prompts)

    note = Prompt("note", "Words to add to the decision")
    branch = Prompt("branch", "Promote to which branch", "main")
    onto = Prompt("onto", "Merge onto which branch", "main")
    undone = Prompt("reason", "Why is it rolled back? One sentence")
    why = Prompt("why", "Why (may be empty)", is_required=False)
    text = Prompt("text", "Message to the agents of the run")
    start, back = (
        Prompt("at", f"{words} which stage (NODE or NODE@VISIT)") for words in ("From", "Back to")
    )
    promoted_to = run.overview.promoted_to
    known = {
        "amend": order("A", "amend", "amendments", note),
        "promote": order("P", "promote", "promotion", branch),
        "rebase": order("B", "rebase", "rebase", onto),
        "rollback": order("R", "roll back", "rollback", undone, branch=promoted_to),
        "resume": order("r", "resume", "resume"),
        "pause": order("p", "pause", "pause", why),
        "steer": order("i", "steer", "steer", text),
        "cancel": order("x", "cancel", "cancel", why),
        "evaluate": order("v", "evaluate", "evaluate"),
        "fork": order("f", "fork", "fork", start),
        "rewind": order("w", "rewind", "rewind", back),
    }
    # A decision is taken only at the row that shows what it is about.
    if "decide" in run.actions and row.need == "decision":
        for key, label, verdict in (("y", "approve", "approved"), ("n", "reject", "rejected")):
            prompt = Prompt("rationale", f"Why do you {label} it? One sentence")
            yield order(key, label, "decision", prompt, verdict=verdict)
        scenario = Prompt("scenario", "Waive which failed scenario")
        reason = Prompt("reason", "Why is it waived? One sentence")
        yield order("W", "waive", "waivers", scenario, reason)
    yield from (known[name] for name in run.actions if name in known)


def _of_actor(row: Row) -> Iterator[Action]:
    actor = row.actor
    if actor is None:
        return

    def action(key: str, label: str, word: str, *prompts: Prompt) -> Action:
        path = place("actors", actor.project.id, actor.name, word)
        return Action(key, label, Request(path, {}), prompts)

    if row.section is Section.ACTORS and actor.status in ("failed", "review"):
        yield action("s", "seen", "seen")
    is_at_rest = actor.status in ("idle", "failed", "review", "stopped") and not actor.waiting
    if is_at_rest:
        yield action("h", "archive", "archive")
    if actor.status != "stopped":
        prompt = Prompt(
            "", f"Stop {actor.name}? Enter stops it, Escape does not", is_required=False
        )
        yield action("K", "stop", "stop", prompt)
    if actor.dimension:
        yield from _remarks_on(actor)
        at = ("dimensions", actor.project.id, actor.dimension)
        prompt = Prompt("suite", f"Judge the files of {actor.dimension} with which suite")
        yield Action("S", "submit", Request(place(*at, "submit"), {}), [prompt])
        words = f"Remove the folder of {actor.dimension}? Enter removes it, Escape does not"
        prompt = Prompt("", words, is_required=False)
        yield Action("", "remove dimension", Request(place(*at), {}, "DELETE"), [prompt])


def _remarks_on(actor: Actor) -> Iterator[Action]:
    path = place("dimensions", actor.project.id, actor.dimension, "remarks")
    prompts = [Prompt(PLACE, "Remark on which line: FILE:LINE"), Prompt("text", "Remark")]
    yield Action("c", "remark on a line", Request(path, {}), prompts)
    path = place("actors", actor.project.id, actor.name, "remarks")
    yield Action("C", "send all remarks", Request(path, {}))


def message_to(actor: Actor, text: str) -> Request:
    """Return the request that sends a task to an actor."""
    return Request(place("actors", actor.project.id, actor.name, "messages"), {"text": text})


def spawn_in(project: str) -> Action:
    """Return the action that spawns an actor in a project (default: that of the server)."""
    prompt = Prompt("words", "First task of a new actor")
    return Action("N", "new actor", Request(place("actors"), {"project": project}), [prompt])


def head_of(row: Row, run: Run | None) -> str:
    """Return the lines above the details of a row."""
    status = row.actor.plain if row.actor and not row.is_settled else row.status
    if run and not row.actor and not row.is_settled:
        status = str(run.plain)
    folder = row.project.folder.rpartition("/")[2]
    facts = [
        f"{row.name} in {folder}",
        status,
        f"since {row.since.astimezone():%Y-%m-%d %H:%M}",
        row.cost,
    ]
    if row.actor and row.actor.waiting:
        facts.append(f"{number_of(row.actor.waiting, 'message')} waiting")
    lines = [", ".join(facts)]
    if run:
        lines.append(f"run {row.run_id}: {run.plain}; {run.overview.subject}")
    return "\n".join(visible(line) for line in lines)


def overview_of(
    row: Row, run: Run | None, stages: Sequence[Stage], evidence: Evidence | None = None
) -> list[str]:
    """Return what is needed, the evidence, and the output of running stages."""
    lines = list[str]()
    if row.questions:
        lines += _question_lines(row, row.questions[0])
    elif row.reason:
        lines += [row.need.upper() or "LAST RESULT", *lines_of(row.reason)]
    lines += _evidence_lines(evidence) if evidence else []
    if row.section is Section.ACTORS and row.actor and row.actor.status == "asking":
        lines.append("It asks a question: J goes to it.")
    if row.command and not row.is_settled:
        lines.append(f"  {visible(row.command)}")
    ended = [one for one in stages if one.outcome or one.error]
    lines += ["", "STAGES"] if ended else []
    for one in ended:
        words = "; ".join(filter(None, (one.outcome, one.notes, one.error)))
        lines += _indented(f"{one.id}: {words}")
    for node, last in run.at_work if run else ():
        lines += ["", f"OUTPUT OF {visible(node)}", *(visible(line) for line in last)]
    return lines


def _question_lines(row: Row, question: Question) -> Iterator[str]:
    yield "QUESTION"
    yield from lines_of(question.text)
    for one in row.choices:
        if not one.fields:
            yield f"  {one.letter}  {visible(one.label)}"
    if question.default:
        yield f"  (default: {visible(question.default)})"
    if question.deadline:
        yield f"  (until {visible(question.deadline)})"


def _evidence_lines(evidence: Evidence) -> Iterator[str]:
    for name, text in {"task": evidence.task, **evidence.facts}.items():
        yield from _indented(f"{name}: {text}") if text else []
    yield from lines_of(evidence.said) if evidence.said else []
    for one in evidence.outputs:
        yield f"{visible(one.attempt)}: {visible(one.outcome)}"
        yield from (f"  | {visible(line)}" for line in one.lines)
    changes = evidence.changes
    yield from lines_of(changes.remarks) if changes.remarks else []
    if changes.files:
        yield f"CHANGED: {number_of(len(changes.files), 'file')} (d: diff)"
    for file in changes.files[:MOST_FILES]:
        yield f"  {visible(file.path)} +{file.added} -{file.deleted}"


def _indented(text: str) -> list[str]:
    first, *rest = lines_of(text)
    return [first, *(f"    {line}" for line in rest)]


def remarks_of(remarks: Sequence[Remark]) -> list[str]:
    """Return the remarks that are not sent yet."""
    if not remarks:
        return []
    lines = [f"REMARKS ({len(remarks)}; C: send all)"]
    for one in remarks:
        stale = " (stale: the line changed)" if one.stale else ""
        lines.append(f"{visible(one.file)}:{one.line}{stale}")
        lines += [f"  | {visible(one.quoted)}", *_indented(f"    {one.text}")]
    return [*lines, ""]


def messages_of(messages: Sequence[Message]) -> list[str]:
    """Return the messages of an actor with their answers, oldest first."""
    lines = list[str]()
    for one in messages:
        sent = f"{one.message.sent.astimezone():%Y-%m-%d %H:%M}"
        sender = one.message.sender
        lines += [
            f"{sent}  {visible(f'{sender.kind} {sender.name}')}",
            *_indented(f"    {one.message.text}"),
        ]
        if one.succeeded is None:
            lines += [f"    ({visible(one.status)})", ""]
            continue
        end = "succeeded" if one.succeeded else "failed"
        files = f"; {number_of(len(one.files), 'file')} changed" if one.files else ""
        lines.append(f"  {end}{files}")
        words = "\n".join(filter(None, (one.reason, one.words)))
        lines += [*_indented(f"    {words}"), ""]
    return lines
