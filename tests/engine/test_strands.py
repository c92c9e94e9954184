from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from attractor.base.json import canonical_json, parse_json
from attractor.engine.asking import Option, Question, QuestionKind
from attractor.engine.branching import fork_off
from attractor.engine.fields import Fields
from attractor.engine.flights import InFlight
from attractor.engine.outcome import StageStatus, Usage, success
from attractor.engine.progress import Ending, Progress, SteppedOver, Visit
from attractor.engine.run_state import RunState, state_from_record, state_to_record
from attractor.engine.seams import Branch
from attractor.engine.strands import (
    MAIN,
    Strand,
    Strands,
    counted,
    cut_off,
    end_branch,
    gather,
    last_tree,
    leave,
    let_go,
    siblings,
    with_all_that_left,
)

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
FLIGHT = InFlight("a", 1, 2, NOON)
QUESTION = Question("a@1.2", "Go?", QuestionKind.YES_NO, (Option("Y", "Yes"),), "a", "soon")
ENDED = Ending(StageStatus.SUCCESS, "done", "join")
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
    Strand,
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
def test_walks_come_back_from_a_checkpoint_in_their_order(
    branches: list[tuple[str, Strand]], main: Strand
) -> None:
    state = RunState(strands=counted({MAIN: main, **dict(branches)}), begun={"a": 3})
    record = parse_json(canonical_json(state_to_record(state)))
    back = state_from_record(Fields(record, "checkpoint"))
    assert back == state
    # Canonical JSON sorts what has names: the order in which branches began must not get lost.
    assert list(back.strands) == list(state.strands)


def tree_of_walks() -> Strands:
    """Return a walk with two branches, the first of which has two of its own."""
    strands: Strands = {MAIN: Strand(Progress("fan", tree="t0"), FLIGHT)}
    for key, parent, shares in [
        ("fan@1.1/b", MAIN, ""),
        ("fan@1.1/a", MAIN, "fan@1.1/a"),
        ("fan@1.1/b/in@1.1/x", "fan@1.1/b", "fan@1.1/b/in@1.1/x"),
        ("fan@1.1/b/in@1.1/y", "fan@1.1/b", ""),
    ]:
        branch = Branch(key.rpartition("/")[2], "n", "join")
        strands = leave(strands, key, parent, branch, workspace=shares)
    return strands


def test_a_branch_stands_in_the_line_of_those_that_began() -> None:
    strands = tree_of_walks()
    assert siblings(strands, MAIN, "fan@1.1/") == ["fan@1.1/b", "fan@1.1/a"]
    assert siblings(strands, "fan@1.1/b", "fan@1.1/b/in@1.1/") == list(strands)[3:]
    assert siblings(strands, MAIN, "fan@1.2/") == []


def test_what_left_a_branch_goes_with_it() -> None:
    strands = tree_of_walks()
    assert with_all_that_left(strands, "fan@1.1/b") == [
        "fan@1.1/b",
        "fan@1.1/b/in@1.1/x",
        "fan@1.1/b/in@1.1/y",
    ]
    assert with_all_that_left(strands, "fan@1.1/a") == ["fan@1.1/a"]
    assert with_all_that_left(strands, MAIN) == list(strands)


def test_nobody_is_at_work_or_asked_in_a_branch_that_is_given_up() -> None:
    strands = tree_of_walks()
    asking = replace(strands["fan@1.1/b/in@1.1/x"], in_flight=FLIGHT, questions=(QUESTION,))
    over = end_branch({**strands, "fan@1.1/b/in@1.1/x": asking}, "fan@1.1/b", is_given_up=True)
    assert [key for key, one in over.items() if one.is_given_up] == [
        key for key in strands if key.startswith("fan@1.1/b")
    ]
    assert RunState(strands=over).questions == []
    assert over[MAIN].in_flight == FLIGHT
    assert list(over) == list(strands)


def used(strand: Strand, tokens: int, *, ends: bool = True) -> Strand:
    end = ENDED if ends else None
    progress = replace(strand.progress, usage=Usage(tokens), completed=(str(tokens),), end=end)
    return replace(strand, progress=progress)


def test_gathering_takes_what_ended_and_the_cost_of_the_rest() -> None:
    strands: Strands = {MAIN: Strand(Progress("fan"))}
    for attempt, name, tokens in [(1, "a", 1), (2, "b", 10), (2, "a", 100), (2, "c", 1000)]:
        key = f"fan@1.{attempt}/{name}"
        left = leave(strands, key, MAIN, Branch(name, name, "join"), workspace="")
        strands = {**left, key: used(left[key], tokens, ends=tokens < 1000)}
    strands = end_branch(strands, "fan@1.2/b", is_given_up=True)
    strands = leave(strands, "other@1.1/x", MAIN, Branch("x", "x", "join"), workspace="")
    progress, rest = gather(strands, MAIN, Visit("fan", 1, 2, success()))
    assert progress.completed == ("100",)
    assert progress.usage == Usage(1111)
    assert list(rest) == [MAIN, "other@1.1/x"]
    assert rest[MAIN].branches == 1


def test_a_stage_that_does_not_branch_gathers_nothing() -> None:
    strands = tree_of_walks()
    progress, rest = gather(strands, MAIN, Visit("a", 1, 1, success()))
    assert progress is strands[MAIN].progress
    assert rest is strands


def test_a_workspace_holds_what_was_saved_last_of_those_who_share_it() -> None:
    strands = dict(tree_of_walks())
    b = strands["fan@1.1/b"]
    strands["fan@1.1/b"] = replace(b, progress=replace(b.progress, tree="t7"), saved=7)
    inner = strands["fan@1.1/b/in@1.1/y"]
    strands["fan@1.1/b/in@1.1/y"] = replace(
        inner, progress=replace(inner.progress, tree="t9"), saved=9
    )
    assert last_tree(strands, MAIN) == "t9"
    assert last_tree(strands, "fan@1.1/a") == "t0"


def test_a_visit_is_aside_while_another_walk_has_the_folder_of_the_node() -> None:
    strands = dict(tree_of_walks())
    state = RunState(strands=strands)
    assert state.is_aside("fan@1.1/a", "a", 2)
    assert not state.is_aside("fan@1.1/a", "b", 1)
    # It stays where it is, whoever comes and goes.
    assert not state.is_aside(MAIN, "a", 1)
    aside = InFlight("a", 2, 1, NOON, is_aside=True)
    strands["fan@1.1/a"] = replace(strands["fan@1.1/a"], in_flight=aside)
    strands[MAIN] = replace(strands[MAIN], in_flight=None)
    state = RunState(strands=strands)
    assert state.is_aside("fan@1.1/a", "a", 2)
    # Whoever comes then takes the folder.
    assert not state.is_aside("fan@1.1/b", "a", 3)


def test_a_branch_is_made_of_the_walk_it_leaves() -> None:
    strands: Strands = {MAIN: Strand(Progress("fan", tree="t3", context={"x": 1}))}
    branch = Branch("a", "a", "join", {"y": 2})
    strands = leave(strands, "fan@1.1/a", MAIN, branch, workspace="fan@1.1/a")
    left = strands["fan@1.1/a"]
    assert (strands[MAIN].branches, left.branches) == (1, 0)
    assert left.progress == fork_off(strands[MAIN].progress, branch)
    assert (left.name, left.parent, left.workspace, left.saved) == ("a", MAIN, "fan@1.1/a", 0)


def test_what_is_made_again_is_what_nobody_goes_on_with() -> None:
    strands = tree_of_walks()
    inner, outer = "fan@1.1/b/in@1.1/x", "fan@1.1/b"
    fan, within = InFlight("fan", 1, 1, NOON), InFlight("in", 1, 1, NOON)
    at_work = {
        MAIN: replace(strands[MAIN], in_flight=fan),
        outer: replace(strands[outer], in_flight=within),
        inner: replace(strands[inner], in_flight=FLIGHT),
    }
    # Those whose branches began go on with them.
    assert cut_off({**strands, **at_work}) == [FLIGHT]
    waiting = replace(strands[inner], in_flight=replace(FLIGHT, starts=0))
    asking = replace(strands[inner], in_flight=FLIGHT, questions=(QUESTION,))
    for rests in (waiting, asking):
        assert cut_off({**strands, **at_work, inner: rests}) == []
    assert cut_off({**strands, MAIN: replace(strands[MAIN], in_flight=FLIGHT)}) == [FLIGHT]


def test_time_stops_in_every_walk_when_its_process_ends() -> None:
    later = NOON + timedelta(seconds=5)
    flight = replace(FLIGHT, at_work=NOON)
    walks = {key: replace(one, in_flight=flight) for key, one in tree_of_walks().items()}
    left = let_go(walks, later)
    assert {one.in_flight and one.in_flight.worked for one in left.values()} == {5.0}
    assert {one.in_flight and one.in_flight.at_work for one in left.values()} == {None}
