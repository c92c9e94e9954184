"""How far a walk has come, and what one stage changes in it: values only, and pure functions.

The attempt that a walk is at: since when, what it used, and how those before it failed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime

from attractor.base.dataclasses import changed, dataclass
from attractor.base.json import Json
from attractor.engine.interfaces import TreeId, stage_id
from attractor.engine.json_files import Fields
from attractor.engine.outcome import (
    NOTHING_USED,
    Outcome,
    StageStatus,
    Usage,
    usage_from_record,
    usage_to_record,
)
from attractor.engine.prompts.preamble import (
    LONGEST_WORDS,
    NOTHING_PAST,
    Past,
    StageNote,
    one_line,
    remember,
    remember_keys,
)
from attractor.engine.routing.retry import NO_STREAK, Streak, signature
from attractor.language.graph.graph import Graph

BEGIN = "start"
"""What brought a walk to the start."""

LEFT_OUT = "parallel.fan_in.left_out"
"""Where a fan-in says which branches it does not go on with; no agent may write there (R8)."""


@dataclass(frozen=True)
class WalkEnd:
    """How a walk ended, why, and at which node."""

    status: StageStatus
    reason: str
    node: str


@dataclass(frozen=True)
class Visit:
    """What one visit of a node came to; `is_transparent` for a conditional (ruling R1).

    `meeting` is the node where the branches that were walked meet (ruling R6). A stage that may
    talk to a model has a fidelity, and `tools` are those it called, with how often. `streak` counts
    the failures before the last attempt, where there were other attempts.
    """

    node: str
    number: int
    attempts: int
    outcome: Outcome
    tree: TreeId = ""
    logs: tuple[str, ...] = ()
    seconds: float = 0.0
    is_transparent: bool = False
    is_assumed: bool = False
    meeting: str = ""
    fidelity: str = ""
    thread: str = ""
    tools: Mapping[str, int] = field(default_factory=dict[str, int])
    streak: Streak = NO_STREAK


@dataclass(frozen=True)
class Move:
    """Where the walk goes after a visit: to another node, or to its end.

    A restart leads to a node too, but another run begins there (ruling R7). The edge may say the
    fidelity and the thread of the stage it leads to.
    """

    target: str = ""
    reason: str = ""
    redirects: int = 0
    is_handled: bool = False
    is_stepped_over: bool = False
    is_restart: bool = False
    fidelity: str = ""
    thread: str = ""
    end: WalkEnd | None = None


@dataclass(frozen=True)
class Step:
    """What one stage changes in a walk's progress; the journal holds it whole."""

    visit: Visit
    move: Move


@dataclass(frozen=True)
class StageRecord:
    """What is known of a node that was visited: how often, the last outcome, the retries.

    `branches` are those that brought this outcome; none when it was the walk itself. `failure` is
    the signature of the last failure, which came so often in a row.
    """

    visits: int
    outcome: StageStatus
    retries: int = 0
    branches: tuple[str, ...] = ()
    failure: str = ""
    alike: int = 0


@dataclass(frozen=True)
class SteppedOver:
    """A stage that failed and was stepped over, and the branch that did it, if it was one."""

    node: str
    branch: str = ""


@dataclass(frozen=True)
class Progress:
    """All that a walk knows of where it is; `stages` are in the order of the first visit.

    `left_out` are the branches that are not gone on with, and `written` is what a branch wrote into
    its context; the walk from the start has no need of that. `restarts` is how often the run was
    begun anew; one that `is_restarting` goes on as another run, from the next node (ruling R7).
    `past` is what stages are told of those before them. `threads` are all that were gone on with,
    `thread` is that of the last stage that talked to a model.
    """

    next_node: str
    edge_reason: str = BEGIN
    tree: TreeId = ""
    context: Mapping[str, Json] = field(default_factory=dict[str, Json])
    stages: Mapping[str, StageRecord] = field(default_factory=dict[str, StageRecord])
    completed: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    last_status: StageStatus = StageStatus.SUCCESS
    last_label: str = ""
    last_notes: str = ""
    redirects: int = 0
    handled: tuple[str, ...] = ()
    steps_over: tuple[SteppedOver, ...] = ()
    assumed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    written: tuple[str, ...] | None = None
    usage: Usage = NOTHING_USED
    seconds: float = 0.0
    restarts: int = 0
    is_restarting: bool = False
    edge_fidelity: str = ""
    edge_thread: str = ""
    past: Past = NOTHING_PAST
    thread: str = ""
    threads: tuple[str, ...] = ()
    end: WalkEnd | None = None

    @property
    def current_node(self) -> str:
        """The last completed node, or the node at which the walk ended (attractor-spec 5.3)."""
        if self.end:
            return self.end.node
        return self.completed[-1] if self.completed else ""

    @property
    def stepped_over(self) -> tuple[str, ...]:
        """The stages whose failure was stepped over; one in a branch that is left out is not."""
        return tuple(one.node for one in self.steps_over if one.branch not in self.left_out)

    @property
    def is_over(self) -> bool:
        """Whether the walk goes no further in its run."""
        return self.end is not None or self.is_restarting

    def visits(self, node: str) -> int:
        """Return how often a node was visited."""
        record = self.stages.get(node)
        return record.visits if record else 0


def begin(graph: Graph, tree: TreeId, inputs: Mapping[str, Json]) -> Progress:
    """Return the progress of a walk that stands before the start, with the graph's attributes."""
    mirrored = {f"graph.{key}": _plain(graph, key) for key in graph.attributes.by_key}
    context = {"graph.goal": graph.goal, **mirrored, **inputs}
    past = remember_keys(NOTHING_PAST, inputs, ())
    return Progress(next_node=graph.starts[0].id, tree=tree, context=context, past=past)


def advance(progress: Progress, step: Step) -> Progress:
    """Return how far a walk has come after a step: the same in a run and on resume."""
    visit, move = step.visit, step.move
    after = record_visit(progress, visit)
    return changed(
        after,
        next_node=move.target,
        edge_reason=move.reason,
        redirects=after.redirects + move.redirects,
        handled=(*after.handled, visit.node) if move.is_handled else after.handled,
        steps_over=(*after.steps_over, SteppedOver(visit.node))
        if move.is_stepped_over
        else after.steps_over,
        is_restarting=move.is_restart,
        edge_fidelity=move.fidelity,
        edge_thread=move.thread,
        end=move.end,
    )


def record_visit(progress: Progress, visit: Visit) -> Progress:
    """Return the progress with a visit recorded, before it is known where the walk goes on."""
    outcome = visit.outcome
    counts = not visit.is_transparent and outcome.status is not StageStatus.SKIPPED
    updates = _updates(progress, visit, counts=counts)
    return changed(
        progress,
        tree=visit.tree,
        context={**progress.context, **updates},
        written=_written(progress, updates),
        stages={**progress.stages, visit.node: _stage_record(progress, visit)},
        completed=(*progress.completed, visit.node),
        logs=(*progress.logs, *visit.logs) if visit.logs else progress.logs,
        last_status=outcome.status if counts else progress.last_status,
        last_label=outcome.preferred_label if counts else progress.last_label,
        last_notes=outcome.notes if counts else progress.last_notes,
        assumed=(*progress.assumed, visit.node) if visit.is_assumed else progress.assumed,
        left_out=(*progress.left_out, *_left_out(outcome)),
        past=_past(progress, visit, updates),
        thread=visit.thread if visit.fidelity else progress.thread,
        threads=_threads(progress, visit),
        usage=progress.usage + outcome.usage,
        seconds=progress.seconds + visit.seconds,
    )


def _past(progress: Progress, visit: Visit, updates: Mapping[str, Json]) -> Past:
    """Return what is told of a visit from now on: nothing of the start, and of a conditional."""
    past = remember_keys(progress.past, updates, progress.context)
    if visit.is_transparent or progress.edge_reason == BEGIN:
        return past
    outcome = visit.outcome
    words = one_line(outcome.failure_reason or outcome.notes, LONGEST_WORDS)
    note = StageNote(
        visit.node, visit.number, outcome.status.value, words, visit.thread, visit.tools
    )
    return remember(past, note)


def _threads(progress: Progress, visit: Visit) -> tuple[str, ...]:
    is_new = bool(visit.thread) and visit.thread not in progress.threads
    return (*progress.threads, visit.thread) if is_new else progress.threads


def _written(progress: Progress, updates: Mapping[str, Json]) -> tuple[str, ...] | None:
    if progress.written is None:
        return None
    # Sorted: what was read from the journal is, too.
    return tuple(sorted({*progress.written, *updates}))


def _left_out(outcome: Outcome) -> Sequence[str]:
    """Return the branches whose work a fan-in does not go on with (ruling R6)."""
    named = outcome.context_updates.get(LEFT_OUT)
    return [str(one) for one in named] if isinstance(named, list) else ()


def retry_key(node: str) -> str:
    """Return the context key that counts a node's retries (attractor-spec 5.1)."""
    return f"internal.retry_count.{node}"


def _updates(progress: Progress, visit: Visit, *, counts: bool) -> dict[str, Json]:
    """Return what a visit changes in the context: what it said, then what the engine says."""
    outcome = visit.outcome
    updates = {**outcome.context_updates, "current_node": visit.node}
    retries = _retries_left_over(visit)
    if retries or retry_key(visit.node) in progress.context:
        updates[retry_key(visit.node)] = retries
    if counts:
        updates["outcome"] = outcome.status.value
        if outcome.preferred_label:
            updates["preferred_label"] = outcome.preferred_label
    return updates


def _stage_record(progress: Progress, visit: Visit) -> StageRecord:
    before = progress.stages.get(visit.node)
    status = visit.outcome.status
    if before and status is StageStatus.SKIPPED:
        # Skipping records no outcome (attractor-spec 5.2): an earlier one stands.
        status = before.outcome
    streak = _streak(before, visit)
    return StageRecord(
        progress.visits(visit.node) + 1,
        status,
        _retries_left_over(visit),
        failure=streak.failure,
        alike=streak.alike,
    )


def _streak(before: StageRecord | None, visit: Visit) -> Streak:
    """Return how often in a row a stage failed in the same way, its attempts counted too."""
    if visit.outcome.status is not StageStatus.FAIL:
        return NO_STREAK
    streak = visit.streak
    if before and streak == NO_STREAK:
        streak = Streak(before.failure, before.alike)
    return streak.and_then(signature(visit.outcome.failure_reason))


def _retries_left_over(visit: Visit) -> int:
    """Return the retry counter, which a success resets."""
    return 0 if visit.outcome.status.is_success else visit.attempts - 1


def _plain(graph: Graph, key: str) -> Json:
    value = graph.attributes.value(key)
    plain = value.plain if value else ""
    return plain if isinstance(plain, str | int | float | bool) else str(value)


@dataclass(frozen=True)
class InFlight:
    """The attempt at work, whose stage is not in the journal yet, and when its visit began.

    One that is aside writes into a folder of its own: another walk is at work in the node's. It was
    started more than once when it was interrupted, and not at all while it waits for its time.
    `used` is what the attempts of the visit that are over used of models, also those that were cut
    off, and `told` what this one used so far. A process is `at_work` on the visit since then, if
    one is, after others `worked` on it for so many seconds. `streak` counts the failures before
    this attempt, and `failed` is the signature of its own, once it has failed.
    """

    node: str
    visit: int
    attempt: int
    since: datetime
    is_aside: bool = False
    starts: int = 1
    used: Usage = NOTHING_USED
    told: Usage = NOTHING_USED
    at_work: datetime | None = None
    worked: float = 0.0
    streak: Streak = NO_STREAK
    failed: str | None = None

    @property
    def interruption(self) -> str:
        """What a person is asked by when it was interrupted: each time it is another question."""
        name = f"{stage_id(self.node, self.visit, self.attempt)}#interrupted"
        return name if self.starts < 2 else f"{name}.{self.starts}"

    @property
    def spent(self) -> Usage:
        """What the visit used of models so far."""
        return self.used + self.told

    def seconds(self, now: datetime) -> float:
        """Return how long processes were at work on the visit until now, where one still is."""
        if self.at_work is None:
            return self.worked
        return self.worked + max(0.0, (now - self.at_work).total_seconds())

    def begun(self, attempt: int, at: datetime, *, is_aside: bool) -> "InFlight":
        """Return it when an attempt of the same visit begins: the next one, or one made again."""
        is_again = attempt == self.attempt and self.starts > 0
        return changed(
            self,
            attempt=attempt,
            is_aside=is_aside,
            starts=self.starts + 1 if is_again else 1,
            used=self.spent,
            told=NOTHING_USED,
            at_work=at if is_again else self.at_work or at,
            worked=self.seconds(at) if is_again else self.worked,
            failed=None,
        )

    def ended(self, used: Usage | None, failed: str | None) -> "InFlight":
        """Return it when the attempt ended, which says what it used in all, or used what it told.

        It may be made again all the same: what is not in the journal whole did not happen.
        """
        if used is None and failed is None and self.told is NOTHING_USED:
            return self
        spent = self.used + (self.told if used is None else used)
        return changed(self, used=spent, told=NOTHING_USED, failed=failed)

    def awaiting(self, attempt: int) -> "InFlight":
        """Return it when the attempt is over, and another one waits for its time."""
        streak = self.streak if self.failed is None else self.streak.and_then(self.failed)
        return changed(self, attempt=attempt, starts=0, streak=streak, failed=None)

    def left(self, at: datetime) -> "InFlight":
        """Return it when the process that was at work on it ended."""
        return changed(self, worked=self.seconds(at), at_work=None)


def flight_to_record(flight: InFlight) -> dict[str, Json]:
    """Return an attempt at work as the checkpoint has it."""
    return {
        "node": flight.node,
        "visit": flight.visit,
        "attempt": flight.attempt,
        "since": flight.since.isoformat(),
        "is_aside": flight.is_aside,
        "starts": flight.starts,
        "used": usage_to_record(flight.used),
        "told": usage_to_record(flight.told),
        "at_work": flight.at_work.isoformat() if flight.at_work else None,
        "worked": flight.worked,
        "streak": streak_to_record(flight.streak),
        "failed": flight.failed,
    }


def flight_from_record(fields: Fields) -> InFlight:
    """Read an attempt at work back; an older checkpoint says less of it."""
    return InFlight(
        fields.text("node"),
        fields.number("visit"),
        fields.number("attempt"),
        fields.time("since"),
        fields.flag("is_aside"),
        fields.number("starts") if fields.has("starts") else 1,
        _usage(fields, "used"),
        _usage(fields, "told"),
        fields.time("at_work") if fields.has("at_work") else None,
        fields.real("worked") if fields.has("worked") else 0.0,
        streak_from_record(fields.inner("streak")) if fields.has("streak") else NO_STREAK,
        fields.text("failed") if fields.has("failed") else None,
    )


def streak_to_record(streak: Streak) -> dict[str, Json]:
    """Return a streak as the journal has it."""
    return {"failure": streak.failure, "alike": streak.alike}


def streak_from_record(fields: Fields) -> Streak:
    """Read a streak back."""
    return Streak(fields.text("failure"), fields.number("alike"))


def _usage(fields: Fields, name: str) -> Usage:
    return usage_from_record(fields.inner(name)) if fields.has(name) else NOTHING_USED
