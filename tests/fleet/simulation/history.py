"""A seed is one history: what happens, its hash, and the shortest one that still fails."""

from collections.abc import Sequence
from hashlib import sha256
from random import Random

from attractor.base.dataclasses import changed, dataclass
from attractor.fleet.records import Pool
from tests.fleet.simulation.invariants import Violation
from tests.fleet.simulation.site import plan_of
from tests.fleet.simulation.virtual import VirtualLoop
from tests.fleet.simulation.world import FAULTS, ORDERS, Event, Scenario, World

_TRIES = 120
"""The number of shorter histories that are tried."""


@dataclass(frozen=True)
class History:
    """What happened; `met` are the kinds of the faults that met something."""

    scenario: Scenario
    lines: tuple[str, ...]
    met: tuple[str, ...]
    violation: Violation | None

    @property
    def hash(self) -> str:
        return sha256("\n".join(self.lines).encode()).hexdigest()


def scenario_of(seed: int) -> Scenario:
    """Return the runs and the faults of a seed."""
    random = Random(seed)
    plans = [plan_of(number, random) for number in range(random.randint(3, 6))]
    pool = Pool("p", random.choice((0, 2, 3)), random.choice((0.5, 1.0)))
    kinds = random.choices(FAULTS, k=random.randint(4, 12)) + random.choices(ORDERS, k=2)
    events = [
        Event(
            number,
            random.uniform(2, 32),
            kind,
            random.choice((2.0, 5.0, 9.0)),
            random.randrange(1000),
        )
        for number, kind in enumerate(kinds)
    ]
    return Scenario(seed, (*plans,), pool, (*events,))


def play(scenario: Scenario) -> History:
    """Let a scenario happen in virtual time."""

    async def happen() -> World:
        world = World(scenario)
        await world.play()
        return world

    loop = VirtualLoop()
    try:
        task = loop.create_task(happen())
        world = loop.run_until_complete(task)
        return History(scenario, (*world.lines,), (*world.met,), world.watch.violation)
    finally:
        loop.abandon()


def shortest(history: History) -> History:
    """Return a history with fewer events and runs that breaks the same invariant."""
    tries = 0
    is_shorter = True
    while is_shorter and history.violation:
        is_shorter = False
        for smaller in _smaller(history.scenario):
            tries += 1
            if tries > _TRIES:
                return history
            found = play(smaller)
            if found.violation and found.violation.invariant is history.violation.invariant:
                history, is_shorter = found, True
                break
    return history


def _smaller(scenario: Scenario) -> Sequence[Scenario]:
    events = scenario.events
    fewer = [events[: len(events) // 2], events[len(events) // 2 :]] if len(events) > 3 else []
    fewer += [(*events[:at], *events[at + 1 :]) for at in range(len(events))]
    return [changed(scenario, events=some) for some in fewer]


def describe(history: History, mutant: str = "") -> str:
    """Return a history for people, with the command that repeats it."""
    scenario, violation = history.scenario, history.violation
    command = f"python -m tests.fleet.simulation {scenario.seed} {mutant}".rstrip()
    end = f"{violation.invariant}: {violation.words}" if violation else "no violation"
    plans = [
        f"{plan.run_id}: {' '.join(name for step in plan.steps for name in step.names)}"
        for plan in scenario.plans
    ]
    kinds = " ".join(event.kind for event in scenario.events) or "none"
    words = [f"hash {history.hash}", f"events: {kinds}", f"repeat: {command}", end]
    return "\n".join([*plans, f"pool: {scenario.pool}", *history.lines, *words])
