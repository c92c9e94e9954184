"""The progress of a walk, the change of the progress by a step, and the records of both."""

from collections.abc import Collection, Mapping
from dataclasses import field

from attractor.base.dataclasses import changed, dataclass
from attractor.base.json import Json
from attractor.base.records import write_record
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
    remember,
    remember_keys,
)
from attractor.engine.receipts import Receipt
from attractor.engine.state.attempts import NO_STREAK, Streak, TreeId, signature
from attractor.engine.storage.json_files import Fields
from attractor.engine.truncation import one_line
from attractor.language.graph.graph import Graph

BEGIN = "start"
"""The edge reason of the start."""

LEFT_OUT = "parallel.fan_in.left_out"
"""The context key for the branches that a fan-in leaves out.

Reports may not set it (R8).
"""


@dataclass(frozen=True)
class WalkEnd:
    """The end of a walk: status, reason and last node."""

    status: StageStatus
    reason: str
    node: str


@dataclass(frozen=True)
class Visit:
    """The result of one visit of a node; `is_transparent` for a conditional (ruling R1).

    `meeting` is the node where the branches of the visit meet (ruling R6). `fidelity` is empty for
    a stage that uses no model. `tools` counts the tool calls of the stage. `streak` counts the
    failures of earlier attempts of the visit. `has_no_winner` marks a fan-in that selects no
    branch. `receipt` is that of the last attempt, if its command ran.
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
    has_no_winner: bool = False
    receipt: Receipt | None = None


@dataclass(frozen=True)
class Move:
    """The move after a visit: to another node, or to the end.

    After a restart, another run continues at the target (ruling R7). The edge may set the fidelity
    and the thread of the next stage.
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
    """The change of a walk's progress by one stage.

    An event in the journal contains the whole change.
    """

    visit: Visit
    move: Move


@dataclass(frozen=True)
class StageRecord:
    """The record of a visited node: number of visits, last outcome, retries.

    `branches` are the branches from which the outcome comes; `branches` is empty if the walk itself
    visited the node, or if the outcome counts whatever a fan-in leaves out. `failure` is the
    signature of the last failure, `failure_count` the number of equal failures in a row.
    """

    visits: int
    outcome: StageStatus
    retries: int = 0
    branches: tuple[str, ...] = ()
    failure: str = ""
    failure_count: int = 0


@dataclass(frozen=True)
class SteppedOver:
    """A failed stage after which the walk continued, and its branch, if any."""

    node: str
    branch: str = ""


@dataclass(frozen=True)
class Progress:
    """The progress of a walk; `stages` are in the order of the first visit.

    `left_out` are the branches that a fan-in left out. `written` are the context keys that a branch
    wrote; it is None in the walk from the start. `restarts` counts the restarts before this run. If
    `is_restarting`, another run continues the walk at the next node (ruling R7). The preambles are
    written from `past`. `threads` contains all threads so far; `thread` is the thread of the last
    stage that used a model.
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
        """The failed stages after which the walk continued, except for stages in
        branches left out.
        """
        return tuple(one.node for one in self.steps_over if one.branch not in self.left_out)

    @property
    def is_over(self) -> bool:
        """Whether the walk has ended in this run."""
        return self.end is not None or self.is_restarting

    def visits(self, node: str) -> int:
        """Return the number of visits of a node."""
        record = self.stages.get(node)
        return record.visits if record else 0

    def streak(self, node: str) -> Streak:
        """Return how many times in a row a node has failed in the same way so far."""
        record = self.stages.get(node)
        return Streak(record.failure, record.failure_count) if record else NO_STREAK

    def context_of(self, node: str, attempt: int) -> dict[str, Json]:
        """Return the context of an attempt at the next node."""
        retries: dict[str, Json] = {retry_key(node): attempt - 1} if attempt > 1 else {}
        return {**self.context, "current_node": node, **retries}


def begin(graph: Graph, tree: TreeId, inputs: Mapping[str, Json]) -> Progress:
    """Return the progress before the start node, with the graph's attributes in the context."""
    mirrored = {f"graph.{key}": _plain(graph, key) for key in graph.attributes.by_key}
    context = {"graph.goal": graph.goal, **mirrored, **inputs}
    past = remember_keys(NOTHING_PAST, inputs, ())
    return Progress(next_node=graph.starts[0].id, tree=tree, context=context, past=past)


def advance(progress: Progress, step: Step) -> Progress:
    """Return the progress after a step; a run and a resume compute the same progress."""
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
    """Return the progress with a recorded visit, before the next move is known."""
    outcome = visit.outcome
    counts = not visit.is_transparent and outcome.status is not StageStatus.SKIPPED
    updates = _updates(progress, visit, counts=counts)
    is_new = bool(visit.thread) and visit.thread not in progress.threads
    threads = (*progress.threads, visit.thread) if is_new else progress.threads
    # The branches that a fan-in left out (ruling R6).
    named = outcome.context_updates.get(LEFT_OUT)
    left_out = [str(one) for one in named] if isinstance(named, list) else []
    stages = progress.stages
    if visit.has_no_winner:
        stages = _count_gates(stages, left_out)
    # Sorted, as they are when read from the journal.
    known = progress.written
    written = None if known is None else tuple(sorted({*known, *updates}))
    return changed(
        progress,
        tree=visit.tree,
        context={**progress.context, **updates},
        written=written,
        stages={**stages, visit.node: _stage_record(progress, visit)},
        completed=(*progress.completed, visit.node),
        logs=(*progress.logs, *visit.logs) if visit.logs else progress.logs,
        last_status=outcome.status if counts else progress.last_status,
        last_label=outcome.preferred_label if counts else progress.last_label,
        last_notes=outcome.notes if counts else progress.last_notes,
        assumed=(*progress.assumed, visit.node) if visit.is_assumed else progress.assumed,
        left_out=(*progress.left_out, *left_out),
        past=_past(progress, visit, updates),
        thread=visit.thread if visit.fidelity else progress.thread,
        threads=threads,
        usage=progress.usage + outcome.usage,
        seconds=progress.seconds + visit.seconds,
    )


def _count_gates(
    stages: Mapping[str, StageRecord], left_out: Collection[str]
) -> Mapping[str, StageRecord]:
    """Return the records after a fan-in that selects no winner: goal gates of all branches count,
    as if the walk itself had visited them (ruling R6).
    """
    return {
        node: record if set(record.branches).isdisjoint(left_out) else changed(record, branches=())
        for node, record in stages.items()
    }


def _past(progress: Progress, visit: Visit, updates: Mapping[str, Json]) -> Past:
    """Return the past with a visit added; the start and conditionals are not added."""
    past = remember_keys(progress.past, updates, progress.context)
    if visit.is_transparent or progress.edge_reason == BEGIN:
        return past
    outcome = visit.outcome
    words = one_line(outcome.failure_reason or outcome.notes, LONGEST_WORDS)
    note = StageNote(
        visit.node, visit.number, outcome.status.value, words, visit.thread, visit.tools
    )
    return remember(past, note)


def retry_key(node: str) -> str:
    """Return the context key for the number of a node's retries (attractor-spec 5.1)."""
    return f"internal.retry_count.{node}"


def _updates(progress: Progress, visit: Visit, *, counts: bool) -> dict[str, Json]:
    """Return the context updates of a visit: the updates of the outcome, then the
    engine's updates.
    """
    outcome = visit.outcome
    updates = {**outcome.context_updates, "current_node": visit.node}
    retries = _retries_left_over(visit)
    if retries or retry_key(visit.node) in progress.context:
        updates[retry_key(visit.node)] = retries
    if counts:
        updates["last_stage"] = visit.node
        updates["outcome"] = outcome.status.value
        if outcome.preferred_label:
            updates["preferred_label"] = outcome.preferred_label
    return updates


def _stage_record(progress: Progress, visit: Visit) -> StageRecord:
    before = progress.stages.get(visit.node)
    status = visit.outcome.status
    if before and status is StageStatus.SKIPPED:
        # A skipped stage records no outcome (attractor-spec 5.2), so the earlier outcome remains.
        status = before.outcome
    if visit.outcome.status is not StageStatus.FAIL:
        streak = NO_STREAK
    else:
        streak = progress.streak(visit.node) if visit.streak == NO_STREAK else visit.streak
        streak = streak.and_then(signature(visit.outcome.failure_reason))
    return StageRecord(
        progress.visits(visit.node) + 1,
        status,
        _retries_left_over(visit),
        failure=streak.failure,
        failure_count=streak.count,
    )


def _retries_left_over(visit: Visit) -> int:
    """Return the number of retries of a visit that did not succeed; 0 after a success."""
    return 0 if visit.outcome.status.is_success else visit.attempts - 1


def _plain(graph: Graph, key: str) -> Json:
    value = graph.attributes.value(key)
    plain = value.plain if value else ""
    return plain if isinstance(plain, str | int | float | bool) else str(value)


def step_to_record(step: Step) -> dict[str, Json]:
    """Return the record of a step, for the journal, without fields that have their default."""
    return write_record(step)


def step_from_record(fields: Fields) -> Step:
    """Read a step from its record."""
    return fields.record(Step)


def progress_to_record(progress: Progress) -> dict[str, Json]:
    """Return the record of a progress, with the keys of the checkpoint (attractor-spec 5.3)."""
    return {
        "current_node": progress.current_node,
        "completed_nodes": list(progress.completed),
        "node_retries": {
            node: record.retries for node, record in progress.stages.items() if record.retries
        },
        "context": dict(progress.context),
        "logs": list(progress.logs),
        "next_node": progress.next_node,
        "edge_reason": progress.edge_reason,
        "tree": progress.tree,
        "stages": [
            {"node": node, **write_record(record)} for node, record in progress.stages.items()
        ],
        "last_status": progress.last_status.value,
        "last_label": progress.last_label,
        "last_notes": progress.last_notes,
        "redirects": progress.redirects,
        "handled": list(progress.handled),
        "stepped_over": [{"node": one.node, "branch": one.branch} for one in progress.steps_over],
        "assumed": list(progress.assumed),
        "left_out": list(progress.left_out),
        "written": None if progress.written is None else list(progress.written),
        "usage": usage_to_record(progress.usage),
        "seconds": progress.seconds,
        "restarts": progress.restarts,
        "is_restarting": progress.is_restarting,
        "edge_fidelity": progress.edge_fidelity,
        "edge_thread": progress.edge_thread,
        "past": write_record(progress.past),
        "thread": progress.thread,
        "threads": list(progress.threads),
        "end": write_record(progress.end) if progress.end else None,
    }


def progress_from_record(fields: Fields) -> Progress:
    """Read a progress from its record."""
    return Progress(
        next_node=fields.text("next_node"),
        edge_reason=fields.text("edge_reason"),
        tree=fields.text("tree"),
        context=fields.members("context"),
        stages={
            one.text("node"): one.record(StageRecord, "node") for one in fields.inners("stages")
        },
        completed=fields.texts("completed_nodes"),
        logs=fields.texts("logs"),
        last_status=fields.word("last_status", StageStatus),
        last_label=fields.text("last_label"),
        last_notes=fields.text("last_notes"),
        redirects=fields.number("redirects"),
        handled=fields.texts("handled"),
        steps_over=tuple(
            SteppedOver(inner.text("node"), inner.text("branch"))
            for inner in fields.inners("stepped_over")
        ),
        assumed=fields.texts("assumed"),
        left_out=fields.texts("left_out"),
        written=fields.texts("written") if fields.has("written") else None,
        usage=usage_from_record(fields.inner("usage")),
        seconds=fields.real("seconds"),
        restarts=fields.number("restarts"),
        is_restarting=fields.flag("is_restarting"),
        edge_fidelity=fields.text("edge_fidelity"),
        edge_thread=fields.text("edge_thread"),
        past=fields.inner("past").record(Past),
        thread=fields.text("thread"),
        threads=fields.texts("threads"),
        end=fields.inner("end").record(WalkEnd) if fields.has("end") else None,
    )
