"""A project whose runs, queue and events are made by chance, with what is true of them."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from random import Random

from attractor.asking.inquiry import Inquiry
from attractor.base.ids import new_run_id
from attractor.engine.outcome import Outcome, StageStatus, Usage
from attractor.engine.run_folder.layout import Manifest, create_run_directory
from attractor.engine.state.run_state import CANCELED
from attractor.factory.promotion_queue import PromotionQueue, PromotionQueues, QueuedRun
from tests.engine.graphs import line
from tests.engine.runs import Workplace, manifest
from tests.factory.flows import Flow, make_flow

GRAPH = line("work")


@dataclass
class KnownRun:
    """A run as it was made."""

    id: str
    state: str
    usage: Usage
    reason: str


@dataclass
class KnownState:
    """A project, and what is true of it."""

    flow: Flow
    runs: list[KnownRun] = field(default_factory=list[KnownRun])
    queued: int = 0

    @property
    def states(self) -> Counter[str]:
        return Counter(run.state for run in self.runs)

    def inquiry(self, run_id: str = "") -> Inquiry:
        clock = self.flow.machine.clock.now()
        return Inquiry(self.flow.opened, run_id, clock, (), lambda: ())


def make_state(folder: Path, seed: int, runs: int = 12) -> KnownState:
    """Make a project with runs, whose costs, tokens, states and reasons are made by chance."""
    state, chance = KnownState(make_flow(folder)), Random(seed)
    now = state.flow.machine.clock.now()
    for number in range(runs):
        began = now - timedelta(hours=runs - number)
        id_ = new_run_id(began, chance.randbytes)
        usage = Usage(chance.randrange(9000), chance.randrange(900), chance.randrange(1, 999) / 100)
        ending = chance.choice(("failed", "canceled", "evaluating"))
        reason = f"{chance.randrange(2, 90)} of {chance.randrange(100, 900)} tests failed"
        made = manifest(GRAPH, run_id=id_)
        make_run(state, replace(made, started=began), usage, ending, reason)
        state.runs.append(KnownRun(id_, ending, usage, reason))
    _queue(state, chance.randrange(2, 7))
    return state


def make_run(state: KnownState, made: Manifest, usage: Usage, ending: str, reason: str) -> None:
    root = state.flow.runs_dir / made.run_id
    create_run_directory(root, made, "digraph Test {}\n")
    status = StageStatus.FAIL if ending == "failed" else StageStatus.SUCCESS
    done = Outcome(status, notes=reason, failure_reason=reason * (ending == "failed"), usage=usage)
    place = Workplace(root, GRAPH, {"work": done})
    place.clock = state.flow.machine.clock
    place.run()
    if ending == "canceled":
        with place.open() as run:
            run.change_status(CANCELED)


def _queue(state: KnownState, length: int) -> None:
    queues, now = PromotionQueues.of(state.flow.opened), state.flow.machine.clock.now()
    names = [f"Q{number}" for number in range(length)]
    waiting = [
        QueuedRun(run_id=name, current=name, by="ann", queued=now, since=now) for name in names
    ]
    with queues.locked("main"):
        queues.write(PromotionQueue("main", waiting))
    state.queued = length
