from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from attractor.base.json import Json, canonical_json, parse_json
from attractor.engine.fields import Fields
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage, failure, success
from attractor.engine.progress import (
    LEFT_OUT,
    Ending,
    Move,
    Progress,
    StageRecord,
    Step,
    SteppedOver,
    Visit,
    advance,
    begin,
)
from attractor.engine.progress_records import (
    progress_from_record,
    progress_to_record,
    step_from_record,
    step_to_record,
)
from tests.engine.graphs import line

NUMBERS = st.integers(0, 9)
TEXTS = st.text(max_size=5)
JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
MEMBERS = st.dictionaries(TEXTS, JSON, max_size=3)
LISTS = st.lists(TEXTS, max_size=3).map(tuple)
ENDS = st.none() | st.builds(Ending, st.sampled_from(StageStatus), TEXTS, TEXTS)
OUTCOMES = st.builds(
    Outcome,
    status=st.sampled_from(StageStatus),
    preferred_label=TEXTS,
    suggested_next_ids=LISTS,
    context_updates=MEMBERS,
    notes=TEXTS,
    failure_reason=TEXTS,
    failure_class=st.none() | st.sampled_from(FailureClass),
    usage=st.builds(Usage, NUMBERS, NUMBERS, st.floats(0, 9)),
)
VISITS = st.builds(
    Visit,
    node=TEXTS,
    number=NUMBERS,
    attempts=NUMBERS,
    outcome=OUTCOMES,
    tree=TEXTS,
    logs=LISTS,
    seconds=st.floats(0, 9),
    is_transparent=st.booleans(),
    is_assumed=st.booleans(),
    meeting=TEXTS,
)
MOVES = st.builds(
    Move,
    target=TEXTS,
    reason=TEXTS,
    redirects=NUMBERS,
    is_handled=st.booleans(),
    is_stepped_over=st.booleans(),
    end=ENDS,
)
STEPS = st.builds(Step, VISITS, MOVES)


def through_json(record: dict[str, Json]) -> Fields:
    return Fields(parse_json(canonical_json(record)), "record")


@given(STEPS)
def test_a_step_comes_back_from_the_journal(step: Step) -> None:
    assert step_from_record(through_json(step_to_record(step))) == step


@given(st.lists(STEPS, max_size=5), st.none() | st.just(()))
def test_a_progress_comes_back_from_the_checkpoint(
    steps: list[Step], written: tuple[str, ...] | None
) -> None:
    progress = replace(begin(line("a", goal="g"), "tree", {"x": [1]}), written=written)
    for step in steps:
        progress = advance(progress, step)
    back = progress_from_record(through_json(progress_to_record(progress)))
    assert back == progress
    assert list(back.stages) == list(progress.stages)


def visited(
    progress: Progress, outcome: Outcome, *, attempts: int = 1, node: str = "a"
) -> Progress:
    visit = Visit(node, progress.visits(node) + 1, attempts, outcome, tree="t2")
    return advance(progress, Step(visit, Move("b", "weight")))


def test_graph_attributes_are_mirrored_at_the_start() -> None:
    progress = begin(line("a", goal="win", max_node_visits=7), "t1", {})
    assert progress.context == {"graph.goal": "win", "graph.max_node_visits": 7}
    assert (progress.next_node, progress.tree, progress.current_node) == ("start", "t1", "")


def test_a_step_updates_context_outcome_and_place() -> None:
    said = Outcome(StageStatus.SUCCESS, preferred_label="Go", context_updates={"k": 1})
    progress = visited(Progress("a"), said)
    assert progress.context == {
        "k": 1,
        "current_node": "a",
        "outcome": "success",
        "preferred_label": "Go",
    }
    assert (progress.current_node, progress.next_node, progress.tree) == ("a", "b", "t2")


def test_retries_are_counted_and_reset_by_success() -> None:
    failed = visited(Progress("a"), failure("x"), attempts=3)
    record = failed.stages["a"]
    assert (record.visits, record.outcome, record.retries) == (1, StageStatus.FAIL, 2)
    assert failed.context["internal.retry_count.a"] == 2
    mended = visited(failed, success(), attempts=2)
    assert mended.stages["a"] == StageRecord(2, StageStatus.SUCCESS, retries=0)
    assert mended.context["internal.retry_count.a"] == 0


def test_skipping_leaves_an_earlier_outcome_standing() -> None:
    skipped = Outcome(StageStatus.SKIPPED)
    fresh = visited(Progress("a"), skipped)
    assert fresh.stages["a"].outcome is StageStatus.SKIPPED
    assert "outcome" not in fresh.context
    after = visited(visited(Progress("a"), success()), skipped)
    assert after.stages["a"] == StageRecord(2, StageStatus.SUCCESS)
    assert after.last_status is StageStatus.SUCCESS


def test_an_end_names_its_node() -> None:
    end = Ending(StageStatus.SUCCESS, "completed", "exit")
    step = Step(Visit("a", 1, 1, success()), Move(end=end))
    assert advance(Progress("a"), step).current_node == "exit"


def test_a_branch_remembers_what_its_stages_wrote() -> None:
    said = Outcome(StageStatus.SUCCESS, context_updates={"z": 1, "k": 1})
    main, branch = visited(Progress("a"), said), visited(Progress("a", written=()), said)
    assert main.written is None
    again = visited(branch, Outcome(StageStatus.SUCCESS, context_updates={"k": 2, "b": 1}))
    assert again.written == ("b", "current_node", "k", "outcome", "z")


def test_what_a_fan_in_leaves_out_is_no_part_of_what_was_stepped_over() -> None:
    before = Progress("join", steps_over=(SteppedOver("a", "fan@1.1/a"), SteppedOver("w")))
    assert before.stepped_over == ("a", "w")
    left_out: dict[str, Json] = {LEFT_OUT: ["fan@1.1/b", "fan@1.1/a"]}
    after = visited(before, Outcome(StageStatus.SUCCESS, context_updates=left_out))
    assert (after.left_out, after.stepped_over) == (("fan@1.1/b", "fan@1.1/a"), ("w",))
    # Only a list says it.
    odd = visited(before, Outcome(StageStatus.SUCCESS, context_updates={LEFT_OUT: "fan@1.1/a"}))
    assert odd.left_out == ()
