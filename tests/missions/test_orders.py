"""What a mission does next, from its records and facts alone."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from attractor.missions.orders import Do, Facts, Order, RunNow, next_orders, reason_of
from attractor.missions.plan import find_faults, plan_text, read_plan, trial_faults
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
    Mission,
    Planned,
    PlannedTask,
    Returned,
    Role,
    Said,
    Word,
)

NOW = datetime(2026, 12, 1, tzinfo=UTC)
MISSION = Mission(name="m", intent="Greet", by="ann", created=NOW, base="c0", hands_off=True)
ONE = PlannedTask("one", "Write one", touches=("one.txt",), check="grep 1 one.txt")
TWO = PlannedTask("two", "Write two", touches=("two.txt",), check="grep 2 two.txt")
AFTER = PlannedTask(
    "after", "Write more", touches=("one.txt",), needs=("one",), check="grep 3 one.txt"
)
_NUMBERS = count(1)


def run(
    role: Role, task: str = "", *, commit: str = "c0", worker: str = "", **more: object
) -> Begun:
    return Begun(f"r{next(_NUMBERS)}", role, NOW, commit, task, [task] * bool(task), worker=worker)


def end(begun: Begun, results: Mapping[str, bool] | None = None, **more: object) -> Ended:
    return replace(Ended(begun.run_id, NOW, True, results=results or {}), **more)


def planned(*tasks: PlannedTask, mission: Mission = MISSION) -> list[Line]:
    """Return the lines of a mission whose plan is carried out."""
    trial = run(Role.TRIAL)
    tried = end(trial, {task.id: False for task in tasks})
    return [mission, Planned(NOW, "ann", tasks), trial, tried, Accepted(NOW, "ann")]


def orders(
    *lines: Line, later: float = 0, branch: str = "", runs: Mapping[str, RunNow] | None = None
) -> list[Order]:
    history = History(lines)
    return [*next_orders(history, facts(history, runs or {}, later=later, branch=branch))]


def facts(
    history: History, runs: Mapping[str, RunNow], *, later: float = 0, branch: str = ""
) -> Facts:
    now = NOW + timedelta(hours=later)
    known = {one.run_id: RunNow.WORKING for one in history.open_runs}
    return Facts(now, {**known, **runs}, branch or history.tip, attempts_left=0)


def does(found: list[Order]) -> list[tuple[str, str]]:
    return [(one.do.value, one.task) for one in found]


def test_plan_is_made_tried_and_accepted() -> None:
    assert does(orders(MISSION)) == [("plan", "")]
    lines = [MISSION, Planned(NOW, "ann", [ONE])]
    assert does(orders(*lines)) == [("try", "")]
    trial = run(Role.TRIAL, "one")
    [refused] = orders(*lines, trial, end(trial, {"one": True}))
    assert isinstance(refused.line, Planned)
    assert "its check holds before the work" in refused.line.faults[0]
    [accepted] = orders(*lines, trial, end(trial, {"one": False}))
    assert isinstance(accepted.line, Accepted)
    assert does(orders(*lines, Accepted(NOW, "ann"))) == [("try", "")]
    [refused] = orders(*lines, Accepted(NOW, "ann"), trial, end(trial, {"one": True}))
    assert isinstance(refused.line, Planned)
    asking = replace(MISSION, hands_off=False)
    [waits] = orders(asking, *lines[1:], trial, end(trial, {"one": False}))
    assert waits.command == "attractor mission plan m --accept"


def test_three_faulty_plans_wait_for_a_person() -> None:
    faulty = Planned(NOW, "r", faults=["the plan has no task"])
    [waits] = orders(MISSION, faulty, faulty, faulty)
    assert (waits.do, waits.command) == (Do.WAIT, "attractor mission plan m --edit FILE")
    assert does(orders(MISSION, faulty, faulty, faulty, Word(Said.RESUMED, "ann", NOW)))[0][0] == (
        "plan"
    )


def test_work_begins_side_by_side_where_no_files_overlap_and_no_task_is_needed() -> None:
    assert does(orders(*planned(ONE, TWO, AFTER))) == [("work", "one"), ("work", "two")]
    shared = replace(TWO, touches=("*.txt",))
    assert does(orders(*planned(ONE, shared))) == [("work", "one")]
    needs = replace(TWO, needs=("one",))
    assert does(orders(*planned(ONE, needs))) == [("work", "one")]
    alone = replace(MISSION, workers=1)
    assert does(orders(*planned(ONE, TWO, mission=alone))) == [("work", "one")]


def test_work_lands_if_all_that_held_holds_and_is_returned_otherwise() -> None:
    worker = run(Role.WORKER, "one")
    lines = [*planned(ONE, TWO), worker, end(worker)]
    assert ("land", "one") in does(orders(*lines))
    landing = run(Role.LANDING, "one", commit="c1", worker=worker.run_id)
    assert does(orders(*lines, landing, end(landing, {"one": True}))) == [("move", "one")]
    [returned] = orders(*lines, landing, end(landing, {"one": False}, said={"one": "no 1"}))
    assert isinstance(returned.line, Returned)
    assert (returned.line.cause, returned.line.words) == (Cause.CHECK, "one: no 1")


def test_failed_run_is_returned_with_its_reason_and_what_its_check_said() -> None:
    worker = run(Role.WORKER, "one")
    failed = end(worker, succeeded=False, reason="no more visits", said={"one": "no 1"})
    [returned] = orders(*planned(ONE), worker, failed)
    assert isinstance(returned.line, Returned)
    assert (returned.line.cause, returned.line.words) == (Cause.FAILED, "no more visits\nno 1")


def test_train_scenario_that_held_before_must_hold_to_land() -> None:
    trial = run(Role.TRIAL)
    tried = end(trial, {"one": False, "train:old": True, "train:new": False})
    worker = run(Role.WORKER, "one")
    landing = run(Role.LANDING, "one", commit="c1", worker=worker.run_id)
    lines: list[Line] = [MISSION, Planned(NOW, "a", [ONE]), trial, tried, Accepted(NOW, "a")]
    lines += [worker, end(worker), landing]
    good = end(landing, {"one": True, "train:old": True, "train:new": False})
    assert does(orders(*lines, good)) == [("move", "one")]
    [returned] = orders(*lines, end(landing, {"one": True, "train:old": False}))
    assert isinstance(returned.line, Returned)
    assert returned.line.cause is Cause.BROKEN


def returns(task: str, *causes: Cause) -> list[Line]:
    return [Returned(task, f"x{at}", cause, f"why {at}", NOW) for at, cause in enumerate(causes)]


def test_task_that_fails_three_times_for_one_cause_is_given_up_and_what_needs_it() -> None:
    lines = [*planned(ONE, AFTER, TWO), *returns("one", *[Cause.CHECK] * 3)]
    [found] = orders(*lines)
    assert isinstance(found.line, Acted)
    assert (found.line.rule, found.line.act) == ("failed_thrice", Act.GIVE_UP)
    assert "x0, x1, x2" in found.line.evidence
    [after] = orders(*lines, found.line)
    assert isinstance(after.line, Acted)
    assert (after.line.task, after.line.rule) == ("after", "needs")
    assert does(orders(*lines, found.line, after.line)) == [("work", "two")]


def test_asked_task_waits_for_a_person_and_a_repeated_act_stops_the_mission() -> None:
    asks = replace(MISSION, rules={"failed_thrice": "ask"})
    lines = [*planned(ONE, mission=asks), *returns("one", *[Cause.CHECK] * 3)]
    [asked] = orders(*lines)
    assert isinstance(asked.line, Acted)
    [waits] = orders(*lines, asked.line)
    assert "left to a person" in waits.words
    [stops] = orders(*lines, asked.line, Word(Said.RESUMED, "ann", NOW))
    assert isinstance(stops.line, Acted)
    assert stops.line.act is Act.STOP
    [closed] = orders(*lines, asked.line, Word(Said.RESUMED, "ann", NOW), stops.line)
    assert isinstance(closed.line, Closed)
    assert closed.line.why.startswith("stopped by the rule failed_thrice")


def test_conflict_twice_lets_a_task_work_alone() -> None:
    lines = [*planned(ONE, TWO), *returns("one", Cause.CONFLICT, Cause.CONFLICT)]
    assert does(orders(*lines)) == [("work", "one")]
    worker = run(Role.WORKER, "two")
    assert does(orders(*lines, worker)) == []


def test_commit_by_hand_on_the_branch_is_a_wait_with_its_command() -> None:
    [waits] = orders(*planned(ONE), branch="beef")
    assert "is at beef, which no task of the mission made" in waits.words
    assert waits.command == ("git branch -f attractor/mission/m c0 && attractor mission resume m")


def test_branch_that_a_landing_has_just_moved_is_no_commit_by_hand() -> None:
    worker = run(Role.WORKER, "one")
    landing = run(Role.LANDING, "one", commit="c1", worker=worker.run_id)
    lines = [*planned(ONE), worker, end(worker), landing]
    assert not [one for one in orders(*lines, branch="c1") if one.do is Do.WAIT]


def test_open_runs_hold_shares_of_the_budget_and_a_spent_one_waits() -> None:
    dear = replace(MISSION, max_cost_usd=3.0)
    lines = planned(ONE, TWO, mission=dear)
    shares = [one.reserved_usd for one in orders(*lines)]
    assert all(share and 0 < share <= 3 for share in shares)
    worker = run(Role.WORKER, "one")
    done = end(worker, cost_usd=3.0, succeeded=False)
    spent = [*lines, worker, done, *returns("one", Cause.FAILED)]
    spent[-1] = replace(spent[-1], run_id=worker.run_id)  # type: ignore[type-var]
    [waits] = [one for one in orders(*spent) if one.do is Do.WAIT]
    assert waits.command == "attractor mission resume m --max-cost-usd USD"


def test_end_of_the_hours_ends_the_mission_also_after_the_clock_was_set_back() -> None:
    [closed] = orders(*planned(ONE), later=9)
    assert isinstance(closed.line, Closed)
    worker = run(Role.WORKER, "one")
    late = end(worker, at=NOW + timedelta(hours=9), succeeded=False)
    lines = [*planned(ONE), worker, late, Returned("one", worker.run_id, Cause.FAILED, "", NOW)]
    [closed] = orders(*lines, later=-1)
    assert isinstance(closed.line, Closed)
    assert "hours are over" in closed.line.why


def test_end_is_judged_once_and_a_no_go_is_planned_again_after_progress() -> None:
    judged = replace(MISSION, suite="s@1#a")
    landed = Landed("one", "w", "t", "c0", "c1", NOW)
    lines = [*planned(ONE, mission=judged), landed]
    history = History(lines)
    now = replace(facts(history, {}), attempts_left=2)
    assert does([*next_orders(history, now)]) == [("judge", "")]
    judge = run(Role.JUDGE, commit="c1")
    lines += [judge, end(judge, verdict="no-go")]
    assert does([*next_orders(History(lines), now)]) == [("plan", "")]
    lines[-1] = end(judge, verdict="go")
    [closed] = next_orders(History(lines), now)
    assert isinstance(closed.line, Closed)
    assert (closed.line.verdict, closed.line.run_id) == ("go", judge.run_id)
    assert next_orders(History([*lines, closed.line]), now) == []


def test_pause_and_stop_let_runs_end_and_nothing_begin() -> None:
    lines, worker = planned(ONE, TWO), run(Role.WORKER, "one")
    paused = Word(Said.PAUSED, "ann", NOW)
    [waits] = orders(*lines, paused)
    assert (waits.do, waits.command) == (Do.WAIT, "attractor mission resume m")
    assert does(orders(*lines, worker, paused, runs={worker.run_id: RunNow.GONE})) == [
        ("start", "")
    ]
    stopped = Word(Said.STOPPED, "ann", NOW)
    assert orders(*lines, worker, stopped) == []
    [closed] = orders(*lines, stopped)
    assert isinstance(closed.line, Closed)


def test_pause_now_cancels_each_open_run_once_and_a_resume_does_its_work_anew() -> None:
    trial, worker = run(Role.TRIAL), run(Role.WORKER, "one")
    paused, resumed = Word(Said.PAUSED, "ann", NOW, now=True), Word(Said.RESUMED, "ann", NOW)
    cut = Canceled(worker.run_id, NOW)
    lines = [*planned(ONE), worker, paused]
    assert does(orders(*lines)) == [("cancel", "")]
    [waits] = orders(*lines, cut)
    assert waits.command == "attractor mission resume m"
    failed = end(worker, succeeded=False)
    assert does(orders(*lines, cut, failed, resumed)) == [("work", "one")]
    # A result that was there first counts.
    assert does(orders(*lines, cut, end(worker), resumed)) == [("land", "one")]
    landing = run(Role.LANDING, "one", commit="c1", worker=worker.run_id)
    begun = [*planned(ONE), worker, end(worker), landing, paused, Canceled(landing.run_id, NOW)]
    assert does(orders(*begun, end(landing, succeeded=False), resumed)) == [("land", "one")]
    tried = [MISSION, Planned(NOW, "a", [ONE]), trial, paused, Canceled(trial.run_id, NOW)]
    assert does(orders(*tried, end(trial, succeeded=False), resumed)) == [("try", "")]
    judged = replace(MISSION, suite="s@1#a")
    judge, landed = run(Role.JUDGE, commit="c1"), Landed("one", "w", "t", "c0", "c1", NOW)
    lines = [*planned(ONE, mission=judged), landed, judge, paused, Canceled(judge.run_id, NOW)]
    history = History([*lines, end(judge), resumed])
    assert does([*next_orders(history, replace(facts(history, {}), attempts_left=2))]) == [
        ("judge", "")
    ]


def test_asking_run_is_the_reason_only_if_no_other_run_works() -> None:
    first, second = run(Role.WORKER, "one"), run(Role.WORKER, "two")
    history = History([*planned(ONE, TWO), first, second])
    asks = {first.run_id: RunNow.ASKS}
    assert reason_of(history, facts(history, asks)) is None
    both = {**asks, second.run_id: RunNow.ASKS}
    waits = reason_of(history, facts(history, both))
    assert waits
    assert waits.command == f"attractor answer {first.run_id}"


@pytest.mark.parametrize(
    ("tasks", "fault"),
    [
        ([], "no task"),
        ([replace(ONE, needs=("two",)), replace(TWO, needs=("one",))], "need each other"),
        ([ONE, replace(TWO, touches=("*.txt",))], "touch the same files"),
        ([replace(ONE, check="true")], "holds whatever was done"),
        ([replace(ONE, check="")], "no check"),
        ([replace(ONE, touches=())], "names no files"),
        ([replace(ONE, needs=("ones",))], "unknown task"),
        ([replace(ONE, requirements=("r1",))], "unknown requirement"),
        ([replace(ONE, keep=True)], "no task shows anything new"),
        ([ONE, ONE], "two tasks"),
        ([replace(ONE, id=f"t{n}", touches=(f"f{n}",)) for n in range(51)], "at most 50"),
    ],
)
def test_fault_of_a_plan_is_named(tasks: list[PlannedTask], fault: str) -> None:
    assert any(fault in one for one in find_faults(tasks, {}, {}))


def test_check_that_was_not_played_is_a_fault_of_the_plan() -> None:
    assert [*trial_faults([ONE], {})] == ["one: its check was not played before the work"]


def test_requirement_without_a_task_and_everything_in_one_task_are_faults() -> None:
    known = {f"r{n}": "It works." for n in range(4)}
    whole = replace(ONE, requirements=tuple(known))
    assert [*find_faults([ONE], {"r": "It works."}, {})] == ["no task has the requirement r"]
    assert [*find_faults([whole], known, {})] == ["one task for 4 requirements is no plan"]


def test_plan_reads_back_as_it_is_written() -> None:
    tasks = [replace(ONE, what='Say "a"\n\tb\\n', requirements=("r",)), replace(TWO, keep=True)]
    plan = read_plan(plan_text(tasks, {"r": "It says."}))
    assert (list(plan.tasks), plan.requirements) == (tasks, {"r": "It says."})
