"""What a mission does next: one pure function over its records and the facts of this moment."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil

from attractor.base.dataclasses import dataclass
from attractor.language.declarations.touches import shared_touches
from attractor.missions.governor import find_act
from attractor.missions.plan import trial_faults
from attractor.missions.records import (
    Accepted,
    Act,
    Acted,
    Begun,
    Canceled,
    Cause,
    Closed,
    Ended,
    History,
    Landed,
    Line,
    Planned,
    PlannedTask,
    Returned,
    Role,
    Said,
    Word,
)

MOST_PLANS = 5
_MILESTONES = 3
_LEAST_USD = 0.01
_FEW = 4
"""How many runs are thought to follow a planner."""
_MOST_FAULTY = 3
GO, NOT_JUDGED = "go", "not judged"


class RunNow(StrEnum):
    """What an open run does at this moment."""

    WORKING = "working"
    ENDED = "ended"
    GONE = "gone"
    """No process executes it."""
    ASKS = "asks"
    """It waits for a person."""


@dataclass(frozen=True)
class Facts:
    """What the journal does not record: the time, the open runs, the branch, the attempts left."""

    now: datetime
    runs: Mapping[str, RunNow]
    branch: str
    """The commit of the branch, "" if the branch is missing."""
    attempts_left: int = 0
    """How many trees the suite may still judge; 0 without a suite."""


class Do(StrEnum):
    """What is to be done."""

    WRITE = "write"
    """Record a line, which decides something."""
    READ = "read"
    """Read the plan that a planner's run left."""
    RECORD = "record"
    """Record how a run ended."""
    START = "start"
    """Start a process for a run that has none."""
    CANCEL = "cancel"
    PLAN = "plan"
    TRY = "try"
    """Play the checks of the plan before any work."""
    WORK = "work"
    LAND = "land"
    """Merge the work of a run, and play the checks on the merged tree."""
    MOVE = "move"
    """Move the branch to a merged tree whose checks hold."""
    JUDGE = "judge"
    WAIT = "wait"


@dataclass(frozen=True)
class Order:
    """One thing to do, with the line, the run, the task or the words that it is about.

    `words` tell an agent what happened before, or a person why the mission waits; `command` ends
    the wait.
    """

    do: Do
    run_id: str = ""
    task: str = ""
    words: str = ""
    command: str = ""
    line: Line | None = None
    reserved_usd: float | None = None


def next_orders(history: History, facts: Facts) -> Sequence[Order]:
    """Return what is to be done now, in order; nothing if only open runs are waited for."""
    if history.closed:
        return []
    # What has ended changes everything else.
    if ended := [one for one in history.open_runs if facts.runs.get(one.run_id) is RunNow.ENDED]:
        return [Order(Do.RECORD, one.run_id) for one in ended]
    if order := next(_settle(history, facts), None):
        return [order]
    if why := _stopped(history):
        return [] if _works(history, facts) else [_close(history, facts, f"stopped by {why}")]
    gone = [
        Order(Do.START, one.run_id)
        for one in history.open_runs
        if facts.runs.get(one.run_id, RunNow.GONE) is RunNow.GONE
    ]
    last = history.last_word
    if last and last.said is Said.PAUSED:
        resume = f"attractor mission resume {history.mission.name}"
        first = [*_cancels(history)] if last.now else gone
        return first or [_wait(f"paused by {last.by}", resume)]
    return gone or [*_go_on(history, facts)]


def _cancels(history: History) -> Iterator[Order]:
    known = {line.run_id for line in history.all(Canceled)}
    for one in history.open_runs:
        if one.run_id not in known:
            yield Order(Do.CANCEL, one.run_id)


def reason_of(history: History, facts: Facts) -> Order | None:
    """Return what the mission waits for: a person, with the command; None while it works."""
    orders = next_orders(history, facts)
    waits = [order for order in orders if order.do is Do.WAIT]
    return waits[0] if waits and len(waits) == len(orders) else None


def _wait(words: str, command: str) -> Order:
    return Order(Do.WAIT, words=words, command=command)


def _write(line: Line) -> Order:
    return Order(Do.WRITE, line=line)


def _close(history: History, facts: Facts, why: str) -> Order:
    """Return the end of a mission, with the verdict on what is landed."""
    return _write(Closed(why, facts.now, *verdict_on(history, history.tip)))


def _works(history: History, facts: Facts) -> bool:
    return any(facts.runs.get(one.run_id) is RunNow.WORKING for one in history.open_runs)


def _stopped(history: History) -> str:
    """Return who stopped the mission, a person or a rule, or ""."""
    last = history.last_word
    if last and last.said is Said.STOPPED:
        return last.by
    stops = [line for line in history.since(Word) if isinstance(line, Acted)]
    return next(
        (
            f"the rule {one.rule}: {one.task}: {one.evidence}"
            for one in stops
            if one.act is Act.STOP
        ),
        "",
    )


def _settle(history: History, facts: Facts) -> Iterator[Order]:
    """Yield what ended runs lead to: a plan, a verdict on it, work to return, a branch to move."""
    read = {line.by for line in history.all(Planned)}
    for begun, _ in history.runs_of(Role.PLANNER):
        if begun.run_id not in read:
            yield Order(Do.READ, begun.run_id)
    plan, tried = history.plan, _trial(history)
    # Also of a plan that a person accepted before the trial.
    tasks = plan.tasks if plan and not plan.faults else ()
    if plan and tried and (faults := [*trial_faults(tasks, tried.results)]):
        yield _write(replace(plan, at=facts.now, faults=faults))
    done = _settled_runs(history)
    for begun, ended in history.runs_of(Role.WORKER):
        if begun.run_id not in done and not ended.succeeded:
            said = ended.said.get(begun.task, "")
            reason = f"{ended.reason or 'its run failed'}\n{said}".strip()
            yield _write(Returned(begun.task, begun.run_id, Cause.FAILED, reason, facts.now))
    for begun, ended in history.runs_of(Role.LANDING):
        if begun.worker not in done:
            yield _land_or_return(begun, ended, history, facts)


def _land_or_return(begun: Begun, ended: Ended, history: History, facts: Facts) -> Order:
    """Return the move of the branch to a merged tree, if all holds there that is wanted."""
    broken = [name for name in _wanted(history, begun) if not ended.results.get(name)]
    if not broken:
        return Order(Do.MOVE, begun.run_id, begun.task)
    cause = Cause.CHECK if begun.task in broken else Cause.BROKEN
    words = "; ".join(f"{name}: {ended.said.get(name, 'no result')}" for name in broken)
    return _write(Returned(begun.task, begun.worker, cause, words, facts.now))


def _settled_runs(history: History) -> set[str]:
    """Return the runs of workers whose work is landed or returned."""
    return {line.run_id for line in history.lines if isinstance(line, Landed | Returned)}


def _wanted(history: History, landing: Begun) -> list[str]:
    """Return the checks, and the train scenarios that held before, which must hold to land."""
    landed = history.all(Landed)
    trials = [ended.results for _, ended in history.runs_of(Role.TRIAL)]
    before = [*trials, *(one.results for one in landed)][-1:]
    train = [name for one in before for name, held in one.items() if held and ":" in name]
    return [*landing.tasks, *train]


def _trial(history: History) -> Ended | None:
    """Return the trial of the last plan, if it has ended."""
    for line in history.since(Planned):
        if not isinstance(line, Ended) or line.run_id in history.canceled:
            continue
        if history.begun[line.run_id].role is Role.TRIAL:
            return line
    return None


def _go_on(history: History, facts: Facts) -> Iterator[Order]:
    """Yield what a mission does that no person holds."""
    if _is_late(history, facts):
        yield from _end(history, facts, f"its {history.mission.hours:g} hours are over")
    elif obstacle := _obstacle(history, facts):
        yield obstacle
    elif not (history.is_accepted and _trial(history)):
        yield from _plan(history, facts)
    elif orders := [*_work(history, facts)]:
        yield from orders
    elif not history.open_runs:
        yield from _conclude(history, facts)
    else:
        yield from _asked(history, facts)


def _obstacle(history: History, facts: Facts) -> Order | None:
    """Return why nothing may begin before a person did something, or None."""
    mission, left = history.mission, left_usd(history)
    resume = f"attractor mission resume {mission.name}"
    done = _settled_runs(history)
    # Who reads the records and then the branch may see it moved before its line.
    landings = [one for one in history.all(Begun) if one.role is Role.LANDING]
    moving = {one.commit for one in landings if one.worker not in done}
    if facts.branch not in {history.tip, *moving}:
        moved = f"is at {facts.branch[:12]}, which no task of the mission made"
        words = f"{mission.branch} {moved if facts.branch else 'is missing'}"
        return _wait(words, f"git branch -f {mission.branch} {history.tip[:12]} && {resume}")
    if left is None:
        return None
    if tokens := history.usage.unpriced_tokens:
        words = f"the cost of {tokens} tokens is unknown, so its budget cannot be kept"
        return _wait(words, f"{resume} --max-cost-usd none")
    if left < _LEAST_USD and not history.open_runs:
        words = f"its budget of ${mission.max_cost_usd:.2f} is spent"
        return _wait(words, f"{resume} --max-cost-usd USD")
    return None


def _asked(history: History, facts: Facts) -> Iterator[Order]:
    """Yield a wait for the first run that asks a person, if no run works."""
    if not _works(history, facts):
        for one in history.open_runs:
            command = f"attractor answer {one.run_id}"
            yield _wait(f"run {one.run_id} asks a person", command)
            return


def _is_late(history: History, facts: Facts) -> bool:
    """Return whether the time is over; a clock that was set back does not give more of it."""
    lasts = max([facts.now, *(line.at for line in history.all(Ended))])
    return lasts > history.mission.created + timedelta(hours=history.mission.hours)


def left_usd(history: History) -> float | None:
    """Return what is left of the budget besides the shares of open runs; None without a budget."""
    most = history.mission.max_cost_usd
    if most is None:
        return None
    reserved = sum(one.reserved_usd or 0 for one in history.open_runs)
    return most - history.usage.cost_usd - reserved


def _share(history: History, count: int) -> float | None:
    """Return the share of the budget of one more run, where `count` more may follow it."""
    left = left_usd(history)
    return None if left is None else min(left, 2 * left / (count + 1))


def _plan(history: History, facts: Facts) -> Iterator[Order]:
    """Yield what brings an accepted plan about."""
    mission, plan = history.mission, history.plan
    command = f"attractor mission plan {mission.name}"
    if history.open_runs:
        yield from _asked(history, facts)
    elif plan is None or plan.faults:
        faulty = [line for line in history.since(Word) if isinstance(line, Planned) and line.faults]
        if len(faulty) >= _MOST_FAULTY:
            words = f"{len(faulty)} plans have faults; of the last one: {faulty[-1].faults[0]}"
            yield _wait(words, f"{command} --edit FILE")
        else:
            words = "\n".join(plan.faults) if plan else ""
            yield Order(Do.PLAN, words=words, reserved_usd=_share(history, _FEW))
    elif not _trial(history):
        yield Order(Do.TRY)
    elif mission.hands_off:
        yield _write(Accepted(facts.now, mission.by))
    else:
        yield _wait("its plan waits for a person", f"{command} --accept")


def _work(history: History, facts: Facts) -> Iterator[Order]:
    """Yield the work that can begin, the landing of what is made, and milestones."""
    open_tasks = [task for task in history.tasks.values() if _is_open(task, history)]
    for task in open_tasks:
        if acted := _act_on(task, history, facts):
            yield _write(acted)
            return
    made = [*_made(history)]
    if made and not any(one.role is Role.LANDING for one in history.open_runs):
        yield Order(Do.LAND, made[0].run_id, made[0].task)
        return
    if is_milestone_due(history, facts):
        yield Order(Do.JUDGE, reserved_usd=_share(history, _FEW))
    running = [one.task for one in history.open_runs if one.task]
    busy = [*running, *(one.task for one in made)]
    able = [task for task in open_tasks if all(id_ in history.landed for id_ in task.needs)]
    # After two conflicts a task works alone, so that no other one can move the branch.
    lone = [task for task in able if _conflicts(task, history) > 1][:1]
    for task in lone if lone and not busy else [] if lone else able:
        if len(running) < history.mission.workers and _is_free(task, busy, history):
            share = _share(history, len(open_tasks) - len(running))
            yield Order(Do.WORK, task=task.id, reserved_usd=share)
            running.append(task.id)
            busy.append(task.id)


def _act_on(task: PlannedTask, history: History, facts: Facts) -> Acted | None:
    """Return what the governor does about a task, or None."""
    rule, act, evidence = find_act(history, task.id)
    lost = [id_ for id_ in task.needs if id_ in history.given_up]
    if not rule and lost:
        rule, act, evidence = "needs", Act.GIVE_UP, f"it needs {lost[0]}, which was given up"
    return Acted(rule, act, task.id, evidence, facts.now) if rule else None


def _conflicts(task: PlannedTask, history: History) -> int:
    return sum(one.cause is Cause.CONFLICT for one in history.returns_of(task.id))


def _is_free(task: PlannedTask, busy: Sequence[str], history: History) -> bool:
    """Return whether a task is not in work, and touches no files of one that is."""
    others = [history.tasks[id_].touches for id_ in busy]
    return task.id not in busy and not any(shared_touches(task.touches, one) for one in others)


def _is_open(task: PlannedTask, history: History) -> bool:
    settled = (history.landed, history.given_up, history.held)
    return not any(task.id in tasks for tasks in settled)


def _made(history: History) -> Iterator[Begun]:
    """Yield the ended runs of workers that are neither landed nor returned."""
    done = _settled_runs(history)
    for begun, _ in history.runs_of(Role.WORKER):
        if begun.run_id not in done and begun.task in history.tasks:
            yield begun


def verdict_on(history: History, commit: str) -> tuple[str, str]:
    """Return the verdict on a commit, or why there is none, and the run; empty before a run."""
    for begun, ended in reversed([*history.runs_of(Role.JUDGE)]):
        if begun.commit == commit:
            return ended.verdict or f"{NOT_JUDGED}: {ended.reason}", begun.run_id
    return "", ""


def _is_judged(verdict: str) -> bool:
    return bool(verdict) and not verdict.startswith(NOT_JUDGED)


def is_milestone_due(history: History, facts: Facts) -> bool:
    """Return whether the landed tasks since the last verdict are to be judged now.

    The last attempt of the suite is kept for the end.
    """
    if not (every := milestone_every(history, facts)):
        return False
    judged = [one.commit for one in history.begun.values() if one.role is Role.JUDGE]
    landed = [line.after for line in history.all(Landed)]
    since = max((landed.index(one) + 1 for one in judged if one in landed), default=0)
    is_last = not any(_is_open(task, history) for task in history.tasks.values())
    return len(landed) - since >= every and not is_last


def milestone_every(history: History, facts: Facts) -> int:
    """Return after how many landed tasks holdouts are played; 0 for never before the end."""
    most = min(_MILESTONES, facts.attempts_left - 1)
    return ceil(len(history.tasks) / (most + 1)) if most > 0 else 0


def _conclude(history: History, facts: Facts) -> Iterator[Order]:
    """Yield what follows when no task can begin and none is in work."""
    for one in history.held.values():
        words = f"the task {one.task} is left to a person ({one.rule}: {one.evidence})"
        yield _wait(words, f"attractor mission resume {history.mission.name}")
        return
    verdict, run_id = verdict_on(history, history.tip)
    plans = sum(not plan.faults for plan in history.all(Planned))
    has_progress = any(isinstance(line, Landed) for line in history.since(Planned))
    lost = [f"{one.task} ({one.rule}: {one.evidence})" for one in history.given_up.values()]
    can_plan = plans < MOST_PLANS and has_progress and verdict != GO
    if can_plan and lost:
        words = f"These tasks were given up: {', '.join(lost)}"
        yield Order(Do.PLAN, words=words, reserved_usd=_share(history, _FEW))
    elif can_plan and _is_judged(verdict) and facts.attempts_left > 0:
        yield Order(Do.PLAN, run_id=run_id, reserved_usd=_share(history, _FEW))
    else:
        why = f"given up: {', '.join(history.lost)}" if history.lost else "all tasks are landed"
        yield from _end(history, facts, why)


def _end(history: History, facts: Facts, why: str) -> Iterator[Order]:
    """Yield the last evaluation, if the tip has no verdict yet, and then the end."""
    verdict, _ = verdict_on(history, history.tip)
    if history.open_runs:
        yield from _asked(history, facts)
    elif not history.landed:
        yield _close(history, facts, f"nothing is landed; {why}")
    elif not verdict and history.mission.suite and facts.attempts_left > 0:
        yield Order(Do.JUDGE, reserved_usd=_share(history, 1))
    else:
        yield _close(history, facts, why)
