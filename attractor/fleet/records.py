"""What the fleet knows: runs, workers, pools, counts, and the reasons why a run waits."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject, content_hash

HOME = "home"
"""The universe of all that names no other one."""

EVALUATE = "evaluate"
"""The pool of evaluations: its workers alone open the store of sealed suites."""

SEALED = "sealed"
"""The beginning of the areas of evaluations."""


class RowState(StrEnum):
    """What happens to a run of the fleet at this moment."""

    QUEUED = "queued"
    """An attempt waits for a worker."""
    RUNNING = "running"
    """A worker owns it."""
    PARKED = "parked"
    """It waits for something outside, without a process."""
    ENDED = "ended"


STOPPED = (RowState.PARKED, RowState.ENDED)
"""The states of a run that no worker executes or is about to execute."""


class ReasonKind(StrEnum):
    """Why a run does not run; each has figures, and a command that changes it."""

    NO_WORKER = "no_worker"
    POOL_FULL = "pool_full"
    UNIVERSE_FULL = "universe_full"
    BEHIND = "behind"
    LIMIT = "limit"
    BUDGET = "budget"
    PAUSED = "paused"
    HUMAN = "human"
    TIMER = "timer"
    DRAINING = "draining"
    TAKING_OVER = "taking_over"
    STORE_UNREACHABLE = "store_unreachable"
    POISON = "poison"


@dataclass(frozen=True)
class Reason:
    """Why a run waits, with its figures."""

    kind: ReasonKind
    details: Mapping[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """A run that begins in the fleet: where it may run, and its first head.

    `engine` is the version of Attractor that it keeps. A `label` is one that its worker must have.
    Runs with a lower `priority` number begin first. Of the runs of one `actor`, at most one is
    open.
    """

    run_id: str
    head: str
    pool: str
    engine: str
    universe: str = HOME
    project: str = ""
    label: str = ""
    priority: int = 100
    actor: str = ""
    max_cost_usd: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True)
class Spent:
    """What models have cost; `unpriced_tokens` are those of calls whose cost is unknown."""

    cost_usd: float = 0.0
    tokens: int = 0
    unpriced_tokens: int = 0

    def __sub__(self, other: "Spent") -> "Spent":
        # Never less than nothing: what a run has spent stays spent when it is rewound.
        cost, tokens = self.cost_usd - other.cost_usd, self.tokens - other.tokens
        unpriced = self.unpriced_tokens - other.unpriced_tokens
        return Spent(max(0.0, cost), max(0, tokens), max(0, unpriced))


NOTHING_SPENT = Spent()


@dataclass(frozen=True, kw_only=True)
class FleetRun:
    """A run as its row says.

    An attempt is one process that executes the run; the epoch rises with each owner. `head` is
    what the last owner committed, and `seq` counts the commits. With `wants_run`, another attempt
    follows the present one. `lost` counts the workers that were lost since the last finished stage.
    `cost_usd`, `tokens` and `unpriced_tokens` are what it has spent until that commit. `orders` are
    those that its worker has not carried out yet, by their names. Since `queued_at`, it waits for
    its turn: a run that is refused or taken over keeps its place. `held_from` is the state in which
    the server found a run that it holds.
    """

    run_id: str
    universe: str
    project: str
    pool: str
    engine: str
    label: str
    priority: int
    actor: str
    attempt: int
    epoch: int
    owner: str
    state: RowState
    wants_run: bool
    head: str
    seq: int
    wake_at: float
    reason: Reason | None
    cancel: bool
    lost: int
    created: float
    changed: float
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    cost_usd: float = 0.0
    tokens: int = 0
    unpriced_tokens: int = 0
    orders: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    queued_at: float = 0.0
    held_from: RowState = RowState.QUEUED

    @property
    def area(self) -> str:
        """The area of the stores that has its files."""
        return area_of(self.universe, self.pool)

    @property
    def directory(self) -> str:
        """The name of its run directory; for a row of trials, that of their run."""
        return self.run_id.partition(".")[0]

    @property
    def queue(self) -> str:
        """The name of the queue of its attempts."""
        return queue_name(self.pool, self.engine, self.label)


def area_of(universe: str, pool: str) -> str:
    """Return the area of the stores for runs of a universe: evaluations have one of their own."""
    return f"{SEALED}/{universe}" if pool == EVALUATE else universe


def queue_name(pool: str, engine: str, label: str = "") -> str:
    """Return the name of the queue of a pool, for one version of the engine and one label."""
    return f"{pool}@{engine}+{label}" if label else f"{pool}@{engine}"


def attempt_id(run_id: str, attempt: int) -> str:
    """Return the id of an attempt."""
    return f"{run_id}:{attempt}"


@dataclass(frozen=True)
class Claim:
    """The right of one owner to commit for a run; another epoch ends it.

    `head`, `seq` and `spent` are those of the last commit.
    """

    run_id: str
    attempt: int
    epoch: int
    owner: str
    head: str
    seq: int
    spent: Spent = NOTHING_SPENT

    @classmethod
    def of(cls, run: FleetRun) -> "Claim":
        """Return the claim of the owner of a run."""
        spent = Spent(run.cost_usd, run.tokens, run.unpriced_tokens)
        return cls(run.run_id, run.attempt, run.epoch, run.owner, run.head, run.seq, spent)


@dataclass(frozen=True)
class CommittedHead:
    """A head that a run has or had, and the number of its commit."""

    seq: int
    head: str


@dataclass(frozen=True)
class NotClaimed:
    """An attempt that does not begin. Without a reason, another one took its place."""

    reason: Reason | None = None


@dataclass(frozen=True, kw_only=True)
class AttemptEnd:
    """How an attempt ended: the run is parked for a reason, has ended, or another one follows.

    With `yields`, the next attempt begins as soon as a worker is free. With `has_crashed`, the
    process died by itself, which counts as a lost worker. With `is_undone`, the holder of a run
    changed nothing, and the run is as before. `wake_at` is the time of the database at which a
    parked run continues.
    """

    state: RowState
    reason: Reason | None = None
    wake_at: float = 0.0
    yields: bool = False
    has_crashed: bool = False
    is_undone: bool = False


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A process that executes attempts, as its row says. Times are those of the database."""

    id: str
    name: str
    pool: str
    engine: str
    slots: int
    labels: tuple[str, ...]
    began: float
    beat: float
    is_draining: bool = False


def worker_id(token: str) -> str:
    """Return the id of the worker that has a token: a hash, by which PostgreSQL knows it too."""
    return content_hash(token.encode())[:24]


@dataclass(frozen=True)
class QueuePlace:
    """The place of a run in its queue: how many begin before it, and which one right before."""

    ahead: int = 0
    front: str = ""


@dataclass(frozen=True, kw_only=True)
class AttemptRow:
    """An attempt as its queue says: the id of its worker, and times in seconds (0: not yet).

    Since `queued`, its run waits.
    """

    number: int
    status: str
    worker: str
    queued: float
    began: float
    ended: float


@dataclass(frozen=True)
class Pool:
    """The limits of a pool: runs at once over all workers, and the share of one universe.

    0 is no limit.
    """

    name: str
    concurrency: int = 0
    share: float = 1.0


@dataclass(frozen=True)
class RunCount:
    """How many runs of one kind there are.

    `is_held` says that a person changes them. `is_startable` says that they would run at once on a
    new worker: also runs whose worker is dead, and those whose timer is due.
    """

    universe: str
    pool: str
    engine: str
    label: str
    state: RowState
    is_held: bool
    is_startable: bool
    number: int


@dataclass(frozen=True)
class PoolLoad:
    """The limits of a pool, and its executed runs by universe."""

    pool: Pool
    running: Mapping[str, int]


@dataclass(frozen=True)
class Demand:
    """The runs of one kind that would start on new workers now."""

    pool: str
    engine: str
    label: str
    universe: str
    startable: int
