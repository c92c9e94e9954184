from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from attractor.base.json import canonical_json, parse_json
from attractor.engine.outcome import Outcome, StageStatus, Usage, failure, success
from attractor.engine.questions.question import Option, Question, QuestionKind
from attractor.engine.routing.next_move import find_unsatisfied
from attractor.engine.state.attempts import MAIN, InFlight, attempt_key, branch_key, visit_key
from attractor.engine.state.progress import (
    LEFT_OUT,
    Move,
    Progress,
    StageRecord,
    Step,
    SteppedOver,
    Visit,
    WalkEnd,
    advance,
)
from attractor.engine.state.run_state import RunState, state_from_record, state_to_record
from attractor.engine.state.walks import (
    Branch,
    Walks,
    WalkState,
    add_usage,
    begin_branch,
    branch_end,
    end_branch,
    fork_off,
    interrupted_attempts,
    join,
    join_visit,
    last_tree,
    stop_walks,
    with_branch_counts,
)
from attractor.engine.storage.json_files import Fields
from tests.engine.forked import forked
from tests.engine.graphs import node
from tests.tables import table

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
FLIGHT = InFlight("a", 1, 2, NOON)
QUESTION = Question("a@1.2", "Go?", QuestionKind.YES_NO, (Option("Y", "Yes"),), "a", "soon")
ENDED = WalkEnd(StageStatus.SUCCESS, "done", "join")
NAMES = st.text(max_size=3)
WALKS = st.builds(
    Progress,
    next_node=NAMES,
    tree=NAMES,
    usage=st.builds(Usage, st.integers(0, 9)),
    left_out=st.lists(NAMES, max_size=2).map(tuple),
    steps_over=st.lists(st.builds(SteppedOver, NAMES, NAMES), max_size=2).map(tuple),
    written=st.none() | st.lists(NAMES, max_size=2).map(tuple),
    end=st.sampled_from([None, ENDED]),
)
STRANDS = st.builds(
    WalkState,
    WALKS,
    in_flight=st.none()
    | st.builds(
        InFlight, NAMES, st.integers(1, 9), st.integers(1, 9), st.just(NOON), st.booleans()
    ),
    questions=st.sampled_from([(), (QUESTION,)]),
    name=NAMES,
    parent=NAMES,
    workspace=NAMES,
    is_over=st.booleans(),
    is_given_up=st.booleans(),
    saved=st.integers(0, 99),
)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=4), STRANDS), max_size=4), STRANDS)
def test_walks_round_trip_in_order(branches: list[tuple[str, WalkState]], main: WalkState) -> None:
    state = RunState(walks=with_branch_counts({MAIN: main, **dict(branches)}), begun={"a": 3})
    record = parse_json(canonical_json(state_to_record(state)))
    back = state_from_record(Fields(record, "checkpoint"))
    assert back == state
    # Canonical JSON sorts keys, but the order in which branches began is kept.
    assert list(back.walks) == list(state.walks)


def tree_of_walks() -> Walks:
    """Return a walk with two branches; the first branch has two branches of its own."""
    walks: Walks = {MAIN: WalkState(Progress("fan", tree="t0"), FLIGHT)}
    for key, parent, shares in [
        ("fan@1.1/b", MAIN, ""),
        ("fan@1.1/a", MAIN, "fan@1.1/a"),
        ("fan@1.1/b/in@1.1/x", "fan@1.1/b", "fan@1.1/b/in@1.1/x"),
        ("fan@1.1/b/in@1.1/y", "fan@1.1/b", ""),
    ]:
        branch = Branch(key.rpartition("/")[2], "n", "join")
        walks = begin_branch(walks, key, parent, branch, workspace=shares)
    return walks


def test_canceled_branch_has_no_flight_and_no_question() -> None:
    walks = tree_of_walks()
    asking = replace(walks["fan@1.1/b/in@1.1/x"], in_flight=FLIGHT, questions=(QUESTION,))
    over = end_branch({**walks, "fan@1.1/b/in@1.1/x": asking}, "fan@1.1/b", is_given_up=True)
    assert [key for key, one in over.items() if one.is_given_up] == [
        key for key in walks if key.startswith("fan@1.1/b")
    ]
    assert RunState(walks=over).questions == []
    assert over[MAIN].in_flight == FLIGHT
    assert list(over) == list(walks)


def used(walk: WalkState, tokens: int, *, ends: bool = True) -> WalkState:
    end = ENDED if ends else None
    progress = replace(walk.progress, usage=Usage(tokens), completed=(str(tokens),), end=end)
    return replace(walk, progress=progress)


def test_join_takes_ended_branches_and_usage_of_others() -> None:
    walks: Walks = {MAIN: WalkState(Progress("fan"))}
    for attempt, name, tokens in [(1, "a", 1), (2, "b", 10), (2, "a", 100), (2, "c", 1000)]:
        key = f"fan@1.{attempt}/{name}"
        left = begin_branch(walks, key, MAIN, Branch(name, name, "join"), workspace="")
        walks = {**left, key: used(left[key], tokens, ends=tokens < 1000)}
    walks = end_branch(walks, "fan@1.2/b", is_given_up=True)
    walks = begin_branch(walks, "other@1.1/x", MAIN, Branch("x", "x", "join"), workspace="")
    progress, rest = join_visit(walks, MAIN, Visit("fan", 1, 2, success()))
    assert progress.completed == ("100",)
    assert progress.usage == Usage(1111)
    assert list(rest) == [MAIN, "other@1.1/x"]
    assert rest[MAIN].branches == 1


def test_a_stage_that_does_not_branch_gathers_nothing() -> None:
    walks = tree_of_walks()
    progress, rest = join_visit(walks, MAIN, Visit("a", 1, 1, success()))
    assert progress is walks[MAIN].progress
    assert rest is walks


def test_shared_workspace_has_tree_of_last_step() -> None:
    walks = dict(tree_of_walks())
    b = walks["fan@1.1/b"]
    walks["fan@1.1/b"] = replace(b, progress=replace(b.progress, tree="t7"), saved=7)
    inner = walks["fan@1.1/b/in@1.1/y"]
    walks["fan@1.1/b/in@1.1/y"] = replace(
        inner, progress=replace(inner.progress, tree="t9"), saved=9
    )
    assert last_tree(walks, MAIN) == "t9"
    assert last_tree(walks, "fan@1.1/a") == "t0"


def test_a_visit_is_aside_while_another_walk_has_the_folder_of_the_node() -> None:
    walks = dict(tree_of_walks())
    state = RunState(walks=walks)
    assert state.is_aside("fan@1.1/a", "a", 2)
    assert not state.is_aside("fan@1.1/a", "b", 1)
    # An attempt keeps its folder while other attempts begin and end.
    assert not state.is_aside(MAIN, "a", 1)
    aside = InFlight("a", 2, 1, NOON, is_aside=True)
    walks["fan@1.1/a"] = replace(walks["fan@1.1/a"], in_flight=aside)
    walks[MAIN] = replace(walks[MAIN], in_flight=None)
    state = RunState(walks=walks)
    assert state.is_aside("fan@1.1/a", "a", 2)
    # The next attempt takes the free folder.
    assert not state.is_aside("fan@1.1/b", "a", 3)


def test_interrupted_attempts_are_those_without_branches_or_questions() -> None:
    walks = tree_of_walks()
    inner, outer = "fan@1.1/b/in@1.1/x", "fan@1.1/b"
    fan, within = InFlight("fan", 1, 1, NOON), InFlight("in", 1, 1, NOON)
    at_work = {
        MAIN: replace(walks[MAIN], in_flight=fan),
        outer: replace(walks[outer], in_flight=within),
        inner: replace(walks[inner], in_flight=FLIGHT),
    }
    # A stage whose branches began continues with its branches.
    assert interrupted_attempts({**walks, **at_work}) == [FLIGHT]
    waiting = replace(walks[inner], in_flight=replace(FLIGHT, starts=0))
    asking = replace(walks[inner], in_flight=FLIGHT, questions=(QUESTION,))
    for rests in (waiting, asking):
        assert interrupted_attempts({**walks, **at_work, inner: rests}) == []
    assert interrupted_attempts({**walks, MAIN: replace(walks[MAIN], in_flight=FLIGHT)}) == [FLIGHT]


def test_time_stops_in_every_walk_when_its_process_ends() -> None:
    later = NOON + timedelta(seconds=5)
    flight = replace(FLIGHT, working_since=NOON)
    walks = {key: replace(one, in_flight=flight) for key, one in tree_of_walks().items()}
    left = stop_walks(walks, later)
    assert {one.in_flight and one.in_flight.worked for one in left.values()} == {5.0}
    assert {one.in_flight and one.in_flight.working_since for one in left.values()} == {None}


SUCCESS, FAIL = StageStatus.SUCCESS, StageStatus.FAIL
A, B = "fan@1.1/a", "fan@1.1/b"
BRANCH = Branch("a", "a", "join")
BEFORE = Progress(
    "fan",
    tree="t1",
    context={"color": "red", "outcome": "fail", "internal.retry_count.plan": 2},
    stages={"plan": StageRecord(2, FAIL)},
    completed=("plan", "plan"),
    logs=("planned",),
    last_status=FAIL,
    last_label="Yes",
    last_notes="bad",
    redirects=3,
    handled=("plan",),
    steps_over=(SteppedOver("plan"),),
    assumed=("plan",),
    left_out=("fan@0.1/x",),
    usage=Usage(1, 1, 1.0),
    seconds=2.0,
)


def walked(
    progress: Progress, id_: str, outcome: Outcome, *, over: bool = False, number: int = 1
) -> Progress:
    """Return the progress of a branch after one more stage, which may be stepped over."""
    move = Move("next", "weight", is_stepped_over=over, is_handled=not over)
    visit = Visit(id_, number, 1, outcome, tree="t2", seconds=1.0, logs=(f"did {id_}",))
    return advance(progress, Step(visit, move))


def ended(progress: Progress, status: StageStatus = SUCCESS, reason: str = "done") -> Progress:
    return replace(progress, end=WalkEnd(status, reason, "join"))


def finished_branch(*stages: tuple[str, Outcome]) -> Progress:
    """Return the progress of a branch that forked off BEFORE, ran these stages, and ended."""
    progress = fork_off(BEFORE, BRANCH)
    for id_, outcome in stages:
        progress = walked(progress, id_, outcome)
    return ended(progress)


KEYS = st.text("a/@%.1", min_size=1, max_size=4)
PLACES = st.tuples(KEYS, st.integers(1, 12), st.integers(1, 12), KEYS)


@given(one=st.lists(PLACES, min_size=1, max_size=2), other=st.lists(PLACES, min_size=1, max_size=2))
def test_no_two_branches_of_a_run_have_one_key(
    one: list[tuple[str, int, int, str]], other: list[tuple[str, int, int, str]]
) -> None:
    assert (_key(one) == _key(other)) is (one == other)
    parent, (id_, visit, _, _) = _key(one[:-1]), one[-1]
    assert _key(one).startswith(visit_key(parent, id_, visit))
    assert not _key(one).startswith(visit_key(parent, id_, visit + 12))


def _key(places: list[tuple[str, int, int, str]]) -> str:
    key = ""
    for id_, visit, attempt, name in places:
        key = branch_key(attempt_key(key, id_, visit, attempt), name)
    return key


def test_branch_progress_starts_fresh() -> None:
    fresh = fork_off(BEFORE, BRANCH)
    assert (fresh.completed, fresh.logs, fresh.handled, fresh.assumed) == ((), (), (), ())
    assert (fresh.last_status, fresh.last_label, fresh.last_notes) == (SUCCESS, "", "")
    assert (fresh.usage, fresh.seconds, fresh.end) == (Usage(), 0.0, None)
    assert (fresh.stepped_over, fresh.left_out, fresh.written) == ((), (), ())


def test_branch_end_contains_updates_of_its_stages() -> None:
    branch = finished_branch(("a", success("well", color="red", last_response="ok", size=1)))
    end = branch_end(BRANCH, A, BEFORE, branch)
    # The color has the same value as before, but the stage wrote it.
    assert end.updates == {"color": "red", "last_response": "ok", "size": 1}
    assert (end.name, end.key, end.status, end.reason) == ("a", A, SUCCESS, "")
    assert (end.notes, end.response, end.base, end.tree) == ("well", "ok", "t1", "t2")
    assert end.seconds == 1.0


def test_branch_end_omits_engine_and_initial_values() -> None:
    given_ = Branch("a", "a", "join", {"work.item": 7})
    branch = walked(fork_off(BEFORE, given_), "a", failure("x"))
    assert branch_end(given_, A, BEFORE, ended(branch)).updates == {}


def test_a_walk_gets_all_but_the_context_of_its_branches() -> None:
    used = Outcome(SUCCESS, context_updates={"size": 1}, usage=Usage(1, 2, 0.5))
    joined = join(
        BEFORE,
        {A: finished_branch(("a", used), ("a2", used)), B: finished_branch(("b", failure("x")))},
    )
    assert joined.context == BEFORE.context
    assert joined.completed == ("plan", "plan", "a", "a2", "b")
    assert joined.logs == ("planned", "did a", "did a2", "did b")
    assert joined.handled == ("plan", "a", "a2", "b")
    assert joined.usage == Usage(3, 5, 2.0)
    # The time of the branches is already part of the time of the stage that forks.
    assert (joined.seconds, joined.tree, joined.written) == (2.0, "t1", None)
    assert (joined.last_status, joined.last_notes) == (FAIL, "bad")
    assert joined.stages == {
        "plan": StageRecord(2, FAIL),
        "a": StageRecord(1, SUCCESS, branches=(A,)),
        "a2": StageRecord(1, SUCCESS, branches=(A,)),
        "b": StageRecord(1, FAIL, branches=(B,), failure="x", failure_count=1),
    }


def test_visits_of_a_node_that_several_branches_share_add_up() -> None:
    twice = finished_branch(("s", success()), ("s", success()))
    joined = join(BEFORE, {A: twice, B: finished_branch(("s", success()))})
    assert joined.visits("s") == 3
    # A second join adds only the new visits.
    again = join(joined, {"fan@2.1/a": walked(fork_off(joined, BRANCH), "s", success())})
    assert again.visits("s") == 4


@table(
    ("one", "other", "worst", "brought_by"),
    [
        (success(), success(), SUCCESS, (A, B)),
        (failure("x"), success(), FAIL, (A,)),
        (success(), failure("x"), FAIL, (B,)),
        (failure("x"), failure("x"), FAIL, (A, B)),
    ],
)
def test_worst_outcome_of_a_shared_node_counts(
    one: Outcome, other: Outcome, worst: StageStatus, brought_by: tuple[str, ...]
) -> None:
    joined = join(BEFORE, {A: finished_branch(("s", one)), B: finished_branch(("s", other))})
    record = joined.stages["s"]
    assert (record.visits, record.outcome, record.branches) == (2, worst, brought_by)


def test_stepped_over_stage_in_branch_counts_until_left_out() -> None:
    branch = ended(walked(fork_off(BEFORE, BRANCH), "a", failure("x"), over=True))
    joined = join(BEFORE, {A: branch})
    assert joined.stepped_over == ("plan", "a")
    left_out = walked(joined, "join", Outcome(SUCCESS, context_updates={LEFT_OUT: [A]}))
    assert left_out.stepped_over == ("plan",)


def test_spending_adds_nothing_but_usage() -> None:
    assert add_usage(BEFORE, Usage(1, 0, 0.5)) == replace(BEFORE, usage=Usage(2, 1, 1.5))


GATED = forked("a", "b", nodes=[node("gate", goal_gate=True)])


def gate_of(progress: Progress) -> str:
    found = find_unsatisfied(GATED, progress)
    return found.id if found else ""


def after_fan_in(progress: Progress, *left_out: str) -> Progress:
    """Return the progress after a fan-in that left some branches out."""
    said = Outcome(SUCCESS, context_updates={LEFT_OUT: list(left_out)})
    return walked(progress, "join", said)


def test_gate_left_out_inside_a_branch_stays_left_out() -> None:
    inner, outer = "fan@1.1/a/in@1.1/x", A
    within = join(fork_off(BEFORE, BRANCH), {inner: finished_branch(("gate", failure("x")))})
    assert gate_of(join(BEFORE, {outer: ended(after_fan_in(within, inner))})) == ""
    kept = join(BEFORE, {outer: ended(after_fan_in(within))})
    assert kept.stages["gate"].branches == (outer,)
    assert (gate_of(kept), gate_of(after_fan_in(kept, outer))) == ("gate", "")


def test_stepped_over_stage_belongs_to_its_branch() -> None:
    inner = "fan@1.1/a/in@1.1/x"
    lost = ended(walked(fork_off(BEFORE, BRANCH), "x", failure("x"), over=True))
    within = join(fork_off(BEFORE, BRANCH), {inner: lost})
    assert join(BEFORE, {A: ended(after_fan_in(within, inner))}).stepped_over == ("plan",)
    kept = join(BEFORE, {A: ended(within)})
    assert (kept.stepped_over, after_fan_in(kept, A).stepped_over) == (("plan", "x"), ("plan",))


def test_visit_of_walk_overrides_visits_in_branches() -> None:
    joined = join(BEFORE, {A: finished_branch(("gate", failure("x")))})
    after = walked(joined, "gate", success())
    assert after.stages["gate"] == StageRecord(2, SUCCESS)
