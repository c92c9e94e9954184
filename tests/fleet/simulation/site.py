"""Runs that are plans of stages, and the processes of their attempts, as a worker sees them."""

import asyncio
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from random import Random

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.fleet.records import Claim, FleetRun, Spent
from attractor.fleet.seams import AttemptEnded, AttemptGone, AttemptSign, Blobs, KeepAsked
from attractor.fleet.store.heads import HeadTree
from tests.fleet.simulation.virtual import Machine

DONE = "done"


@dataclass(frozen=True)
class Step:
    """Stages that execute at once, or a wait: for a person (`gate`) or for a time (`timer`).

    The process of an attempt dies in the step for the first `crashes` times.
    """

    names: tuple[str, ...]
    kind: str = "stage"
    seconds: float = 1.0
    crashes: int = 0


@dataclass(frozen=True)
class Plan:
    run_id: str
    universe: str
    steps: tuple[Step, ...]

    @property
    def stages(self) -> Sequence[str]:
        return [name for step in self.steps if step.kind == "stage" for name in step.names]

    def waits_for(self, done: Sequence[str], answers: Sequence[str]) -> Step | None:
        """Return the wait at which a run stands."""
        for step in self.steps:
            if step.kind == "stage" and not set(step.names) <= {*done}:
                return None
            if step.kind != "stage" and step.names[0] not in answers:
                return step
        return None


def plan_of(number: int, random: Random) -> Plan:
    """Return the plan of a run."""
    steps: list[Step] = []
    for place in range(random.randint(2, 5)):
        kind = random.choice(("stage", "stage", "stage", "parallel", "gate", "timer"))
        names = tuple(f"{kind}{place}.{branch}" for branch in range(3 if kind == "parallel" else 1))
        crashes = random.choice((0, 0, 0, 1, 1, 3)) if kind == "stage" else 0
        is_wait = kind in ("gate", "timer")
        seconds = random.choice((0.3, 1.0, 2.0, 6.0))
        steps.append(Step(names, kind if is_wait else "stage", seconds, crashes))
    return Plan(f"r{number}", random.choice("uv"), (*steps, Step(("last",))))


@dataclass(frozen=True)
class Head:
    """What a head holds: the stages done, in order, answers, orders and all blobs it reaches."""

    done: tuple[str, ...]
    answers: tuple[str, ...]
    orders: tuple[str, ...]
    digests: tuple[str, ...]
    missing: tuple[str, ...]


def read_head(contents: Mapping[str, bytes], head: str) -> Head:
    """Read a head in memory, without the code that wrote it."""
    digests: list[str] = []
    done, answers, orders = "", tuple[str, ...](), tuple[str, ...]()
    waiting = [("", head)] if head else []
    while waiting:
        path, digest = waiting.pop()
        digests.append(digest)
        entries = json.loads(contents.get(digest, b"{}")).get("entries", {})
        for name, entry in entries.items():
            if folder := entry.get("folder"):
                waiting.append((name, folder))
            elif path == "answers":
                answers += (name,)
            elif path == "orders":
                orders += (name,)
            segments = [segment for segment, _ in entry.get("segments", ())]
            digests += segments
            if name == DONE:
                done = "".join(contents.get(one, b"?\n").decode() for one in segments)
    missing = tuple(one for one in digests if one not in contents)
    return Head(tuple(done.split()), answers, orders, tuple(digests), missing)


class SimSite:
    """Where the attempts of one worker execute."""

    def __init__(
        self,
        machine: Machine,
        blobs: Blobs,
        plans: Mapping[str, Plan],
        executions: dict[tuple[str, str], int],
        random: Random,
    ) -> None:
        self.machine = machine
        self.plans = plans
        self.executions = executions
        self.random = random
        self.processes: dict[SimAttempt, None] = {}
        self._blobs = blobs

    async def begin(self, run: FleetRun, claim: Claim) -> "SimAttempt":
        tree = await HeadTree.load(self._blobs, claim.head)
        files = [one async for one in tree.files()]
        pieces = [piece for path, one in files if path == DONE async for piece in tree.content(one)]
        answers = [path.partition("/")[2] for path, _ in files]
        await self.machine.wait(self.random.uniform(0.0, 1.0))
        done = b"".join(pieces).decode().split()
        attempt = SimAttempt(self, self.plans[run.run_id], tree, done, answers)
        await attempt.give(run.orders)
        return attempt


class SimAttempt:
    """The process of an attempt."""

    def __init__(
        self, site: SimSite, plan: Plan, tree: HeadTree, done: list[str], answers: Sequence[str]
    ) -> None:
        self.plan = plan
        self._site = site
        self._machine = site.machine
        self._tree = tree
        self._done, self._saved = done, len(done)
        self._answers = answers
        self._signs = asyncio.Queue[AttemptSign]()
        self._kept: list[asyncio.Future[None]] = []
        self._leaves = ""
        self._orders: dict[str, None] = {}
        self.carried_out: Collection[str] = ()
        self._process = self._machine.start(self._execute())
        site.processes[self] = None

    async def next(self) -> AttemptSign:
        sign = await self._signs.get()
        await self._machine.go_on()
        return sign

    async def save(self) -> str:
        while self._saved < len(self._done):
            line = f"{self._done[self._saved]}\n"
            await self._tree.append(DONE, line.encode())
            self._saved += 1
        self.carried_out = [*self._orders]
        for name in self.carried_out:
            await self._tree.put(f"orders/{name}", b"heard")
        return await self._tree.save()

    async def tail(self) -> str:
        return ""

    async def answer(self, number: int) -> None:
        if not self._kept[number].done():
            self._kept[number].set_result(None)

    async def cancel(self) -> None:
        if self in self._site.processes:
            self._process.cancel()
            self._end(self._ended("canceled"))

    async def give(self, orders: Mapping[str, JsonObject]) -> None:
        """Carry out orders, and commit that."""
        new = [name for name, one in orders.items() if one["action"] != "pause"]
        if self in self._site.processes and not {*new} <= self._orders.keys():
            self._orders |= dict.fromkeys(new)
            self._ask_keep()

    async def stop(self, why: str) -> None:
        self._leaves = why

    async def kill(self, why: str) -> None:
        """End the process; one that does not end by itself takes three seconds."""
        if self in self._site.processes:
            await self._machine.wait(self._site.random.choice((0.1, 3.0)))
            self.die()

    async def close(self) -> None:
        self._process.cancel()
        self._site.processes.pop(self, None)

    def die(self) -> None:
        self._process.cancel()
        self._end(AttemptGone(-9))

    def _ended(self, status: str, reason: str = "") -> AttemptEnded:
        return AttemptEnded({**_report(status), "reason": reason}, self._spent)

    @property
    def _spent(self) -> Spent:
        """Each stage takes a token."""
        return Spent(0.0, len(self._done))

    def _end(self, sign: AttemptSign) -> None:
        if self._site.processes.pop(self, self) is None:
            self._signs.put_nowait(sign)

    async def _execute(self) -> None:
        for step in self.plan.steps:
            names = [name for name in step.names if name not in self._done]
            if step.kind != "stage" and names[0] not in self._answers:
                status = "awaiting_human" if step.kind == "gate" else "waiting"
                return self._end(self._ended(status))
            if step.kind == "stage" and names:
                if self._leaves:
                    return self._end(self._ended("executing", self._leaves))
                branches = [self._stage(name, step, place) for place, name in enumerate(names)]
                await asyncio.gather(*branches)
        return self._end(self._ended("approved"))

    async def _stage(self, name: str, step: Step, place: int) -> None:
        key = (self.plan.run_id, name)
        self._site.executions[key] = self._site.executions.get(key, 0) + 1
        await self._machine.sleep(timedelta(seconds=step.seconds * (1 + place / 4)))
        if self._site.executions[key] <= step.crashes:
            return self.die()
        self._done.append(name)
        await self._ask_keep(ends_stage=True)
        return await self._machine.go_on()

    def _ask_keep(self, *, ends_stage: bool = False) -> asyncio.Future[None]:
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._kept.append(kept)
        self._signs.put_nowait(KeepAsked(len(self._kept) - 1, self._spent, ends_stage))
        return kept


def _report(status: str) -> JsonObject:
    phase = "stage" if status == "awaiting_human" else ""
    return {"status": status, "phase": phase, "reason": "", "outcome": ""}
