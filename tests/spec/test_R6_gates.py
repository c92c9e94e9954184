"""Ruling R6: human gates and goal gates in branches."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from attractor.base.errors import ExitCode
from attractor.engine.interviews import AnsweredFirst, RunQuestions
from attractor.engine.journal.events import Action
from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.questions.question import Answer, Question
from attractor.engine.run_folder.inbox import Order, leave_order
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import Parked, Parts, Stage
from attractor.engine.state.run_state import AWAITING_ANSWER, CANCELED
from attractor.handlers.wait__human import WaitHuman
from attractor.language.graph.graph import Edge, Graph, Node
from attractor.language.source.syntax_tree import Plain
from tests.engine.forked import branch_steps, forked, until_there_is, words
from tests.engine.graphs import chain, edge, node
from tests.engine.runs import FAIL, Script, Silent, Workplace, run_graph
from tests.patience import PATIENCE_S, until
from tests.tables import table


class Parking(Silent):
    async def ask(self, question: Question) -> Answer:
        raise Parked(question)


class GatedRun(Workplace):
    """A run whose gates park until their answer is in the inbox."""

    def go_on(self) -> RunResult:
        async def walk() -> RunResult:
            with self.open() as run:
                parts = Parts(Silent(), AnsweredFirst(Parking(), RunQuestions(run)))
                self.handlers["wait.human"] = WaitHuman(parts)
                return await self.runner(run).run()

        return asyncio.run(walk())

    def answer(self, question: str, value: str) -> None:
        order = Order(Action.ANSWER, "ann", question=question, value=value)
        leave_order(self.root / "inbox", order, name=question.replace("@", "-"))

    @property
    def asked(self) -> list[str]:
        questions = self.json("run.json")["questions"]
        assert isinstance(questions, list)
        return [str(one["id"]) for one in questions if isinstance(one, dict)]


def ways_out(gate: str, branch: str) -> list[Edge]:
    """Return the edges into a gate and out of it: to the end of the branch, or by a detour."""
    return [
        edge("fan", gate),
        edge(gate, f"{branch}_yes", label="[Y] Yes"),
        edge(gate, f"{branch}_no", label="[N] No"),
        *chain(f"{branch}_yes", "join"),
        *chain(f"{branch}_no", "join"),
    ]


GATES: Sequence[Node] = (node("one", "hexagon", timeout="2h"), node("two", "hexagon"))
TWO = forked("a a2", nodes=GATES, edges=[*ways_out("one", "o"), *ways_out("two", "t")])


def test_R6_a_gate_that_parks_lets_the_others_finish_and_parks_the_run(tmp_path: Path) -> None:
    place = GatedRun(tmp_path / "run", TWO)
    parked = place.go_on()
    assert (parked.status, parked.exit_code) == (AWAITING_ANSWER, ExitCode.UNFINISHED)
    assert branch_steps(place) == {"fan@1.1/a": ["a", "a2"]}
    assert place.asked == ["one@1.1", "two@1.1"]
    assert parked.question
    assert parked.question.id == "one@1.1"
    assert parked.question.deadline
    assert [one.branch for one in place.events("StageParked")] == ["fan@1.1/one", "fan@1.1/two"]


def test_R6_an_answer_continues_only_its_branch(tmp_path: Path) -> None:
    place = GatedRun(tmp_path / "run", TWO)
    place.go_on()
    place.answer("two@1.1", "No")
    again = place.go_on()
    assert (again.status, place.asked) == (AWAITING_ANSWER, ["one@1.1"])
    assert branch_steps(place) == {"fan@1.1/a": ["a", "a2"], "fan@1.1/two": ["two", "t_no"]}
    assert place.handler.nodes == ["a", "a2", "t_no"]
    place.answer("one@1.1", "Y")
    done = place.go_on()
    assert done.outcome is StageStatus.SUCCESS
    assert words(place) == ["a success", "one success", "two success"]
    assert place.handler.nodes == ["a", "a2", "t_no", "o_yes"]
    assert place.asked == []
    # The branches that had ended did not end again.
    assert len(place.events("ParallelBranchCompleted")) == 3
    assert len(place.events("ParallelBranchStarted")) == 3


def test_R6_both_answers_may_come_at_once(tmp_path: Path) -> None:
    place = GatedRun(tmp_path / "run", TWO)
    place.go_on()
    place.answer("two@1.1", "Yes")
    place.answer("one@1.1", "No")
    assert place.go_on().outcome is StageStatus.SUCCESS
    assert sorted(place.handler.nodes) == ["a", "a2", "o_no", "t_yes"]


def test_R6_a_run_with_parked_branches_can_be_taken_up_without_an_answer(tmp_path: Path) -> None:
    place = GatedRun(tmp_path / "run", TWO)
    deadline = place.go_on().question
    assert place.go_on().question == deadline
    assert place.handler.nodes == ["a", "a2"]


def test_R6_a_gate_in_a_branch_of_a_branch_parks_all_of_them(tmp_path: Path) -> None:
    inner = [node("in", "component"), node("meet", "tripleoctagon"), *GATES]
    whole = forked(
        "a",
        nodes=inner,
        edges=[
            *chain("fan", "in", "one", "meet", "join"),
            *chain("in", "x", "meet"),
        ],
    )
    place = GatedRun(tmp_path / "run", whole)
    assert place.go_on().status == AWAITING_ANSWER
    assert branch_steps(place) == {"fan@1.1/a": ["a"], "fan@1.1/in/in@1.1/x": ["x"]}
    place.answer("one@1.1", "meet")
    assert place.go_on().outcome is StageStatus.SUCCESS
    assert place.handler.nodes == ["a", "x"]


def test_R6_canceled_branches_ask_no_question(tmp_path: Path) -> None:
    whole = forked(
        "a", nodes=GATES, edges=ways_out("one", "o"), fan={"join_policy": "first_success"}
    )
    place = GatedRun(tmp_path / "run", whole)
    assert place.go_on().outcome is StageStatus.SUCCESS
    assert words(place) == ["a success", "one canceled"]
    assert place.asked == []


def test_R6_an_unrepeatable_fork_continues_after_parking(tmp_path: Path) -> None:
    """The interrupted stage is repeated; branches continue at their places."""
    whole = forked("a", nodes=GATES, edges=ways_out("one", "o"), fan={"if_interrupted": "fail"})
    place = GatedRun(tmp_path / "run", whole)
    place.go_on()
    place.answer("one@1.1", "Yes")
    assert place.go_on().outcome is StageStatus.SUCCESS
    assert place.handler.nodes == ["a", "o_yes"]


def test_R6_a_run_is_canceled_while_its_branches_wait(tmp_path: Path) -> None:
    place = GatedRun(tmp_path / "run", TWO)
    place.go_on()
    leave_order(place.root / "inbox", Order(Action.CANCEL, "ann"), name="A1")
    result = place.go_on()
    assert (result.status, result.reason) == (CANCELED, "canceled by ann")


def test_R6_run_is_canceled_while_its_branches_run(tmp_path: Path) -> None:
    left: list[str] = []

    async def hang(stage: Stage) -> Outcome:
        try:
            await asyncio.Event().wait()
        finally:
            left.append(stage.node.id)
        return success()

    async def cancel(stage: Stage) -> Outcome:
        order = Order(Action.CANCEL, "ann", why="too slow")
        leave_order(stage.logs_root / "inbox", order, name="A1")
        return success()

    result, place = run_graph(
        tmp_path, forked("a", "c", "b b2"), {"a": hang, "b": cancel, "c": hang}
    )
    assert (result.status, result.outcome) == (CANCELED, None)
    assert result.reason == "canceled by ann: too slow"
    assert sorted(left) == ["a", "c"]
    assert place.handler.nodes == ["a", "c", "b"]


def test_R6_a_run_is_paused_in_all_its_branches(tmp_path: Path) -> None:
    seen: list[str] = []

    async def pause(stage: Stage) -> Outcome:
        await until_there_is(stage, "b")
        leave_order(stage.logs_root / "inbox", Order(Action.PAUSE, "ann"), name="A1")
        return success()

    async def wait(stage: Stage) -> Outcome:
        await until_there_is(stage, "inbox/**/A1.json")
        return success()

    place = Workplace(tmp_path / "run", forked("a a2", "b b2"), {"a": pause, "b": wait})

    async def walk() -> RunResult:
        with place.open() as run:
            task = asyncio.create_task(place.runner(run).run())
            await until(lambda: run.state.is_paused and len(branch_steps(place)) == 2)
            seen.extend(place.handler.nodes)
            leave_order(place.root / "inbox", Order(Action.RESUME, "bob"), name="A2")
            return await asyncio.wait_for(task, PATIENCE_S)

    assert asyncio.run(walk()).outcome is StageStatus.SUCCESS
    assert sorted(seen) == ["a", "b"]
    assert sorted(place.handler.nodes) == ["a", "a2", "b", "b2"]


def gated(join: dict[str, Plain] | None = None, **fan: Plain) -> Graph:
    """Return two branches, one with a goal gate that may fail and be passed."""
    gate = node("gate", goal_gate=True)
    ways = [
        *chain("fan", "gate", "g2", "join"),
        edge("gate", "g2", "outcome=fail"),
    ]
    return forked("a", nodes=[gate], edges=ways, join=join, fan=fan)


def outcome_of(tmp_path: Path, whole: Graph, script: Script) -> tuple[StageStatus | None, str]:
    result, _ = run_graph(tmp_path, whole, script)
    return result.outcome, result.reason


UNSATISFIED = (StageStatus.FAIL, "goal gate gate unsatisfied and no retry target")
FINE = (StageStatus.SUCCESS, "completed")


def test_R6_a_gate_in_a_branch_that_was_adopted_counts_at_the_exit(tmp_path: Path) -> None:
    script: Script = {"gate": FAIL, "a": FAIL}
    assert outcome_of(tmp_path / "bad", gated(), script) == UNSATISFIED
    assert outcome_of(tmp_path / "good", gated(), {"a": FAIL}) == FINE


def test_R6_a_gate_in_a_branch_that_was_not_adopted_does_not_count(tmp_path: Path) -> None:
    assert outcome_of(tmp_path, gated(), {"gate": FAIL}) == FINE


# The gate fails; with `g2`, its branch fails too, and is not merged.
@table("merge", ["all", "none"])
@table("script", [{"gate": FAIL}, {"gate": FAIL, "g2": FAIL}], ids=["branch succeeds", "fails"])
def test_R6_without_a_winner_every_gate_of_the_branches_counts(
    tmp_path: Path, merge: str, script: Script
) -> None:
    assert outcome_of(tmp_path, gated({"merge": merge}), script) == UNSATISFIED


def test_R6_without_a_winner_a_stage_stepped_over_in_a_failed_branch_does_not_count(
    tmp_path: Path,
) -> None:
    over = node("over", on_failure="continue")
    whole = forked("a", "over b", nodes=[over], join={"merge": "all"})
    assert outcome_of(tmp_path, whole, {"over": FAIL, "b": FAIL}) == FINE


def test_R6_a_gate_of_an_inner_fork_without_a_winner_counts_as_its_outer_branch_does(
    tmp_path: Path,
) -> None:
    def play(name: str, script: Script, **join: Plain) -> tuple[StageStatus | None, str]:
        inner = [
            node("in", "component"),
            node("meet", "tripleoctagon", merge="none"),
            node("gate", goal_gate=True),
        ]
        ways = [*chain("fan", "in", "gate", "meet", "join"), *chain("in", "x", "meet")]
        return outcome_of(tmp_path / name, forked("a", nodes=inner, edges=ways, join=join), script)

    assert play("lost", {"gate": FAIL}) == FINE
    assert play("won", {"gate": FAIL, "a": FAIL}) == UNSATISFIED
    assert play("merged", {"gate": FAIL}, merge="all") == UNSATISFIED


def test_R6_a_gate_in_a_branch_that_was_canceled_does_not_count(tmp_path: Path) -> None:
    async def late(stage: Stage) -> Outcome:
        await until_there_is(stage, "g2")
        return success()

    async def hang(stage: Stage) -> Outcome:
        await asyncio.Event().wait()
        return success()

    whole = gated({"merge": "all"}, join_policy="first_success")
    assert outcome_of(tmp_path, whole, {"gate": FAIL, "g2": hang, "a": late}) == FINE


def test_R6_without_a_fan_in_every_gate_of_the_branches_counts(tmp_path: Path) -> None:
    whole = gated()
    nodes = {**whole.nodes, "join": node("join")}
    plain = Graph(whole.name, nodes, whole.edges, whole.attributes)
    assert outcome_of(tmp_path / "passed", plain, {"gate": FAIL}) == UNSATISFIED
    failing: Script = {"gate": FAIL, "g2": FAIL}
    assert outcome_of(tmp_path / "failed", plain, failing) == UNSATISFIED


def test_R6_a_gate_in_a_branch_may_send_the_walk_back_from_the_exit(tmp_path: Path) -> None:
    whole = gated({"merge": "all"})
    sending = node("gate", goal_gate=True, retry_target="fan")
    whole = Graph(whole.name, {**whole.nodes, "gate": sending}, whole.edges, whole.attributes)
    result, place = run_graph(tmp_path, whole, {"gate": [FAIL, success()]})
    assert result.outcome is StageStatus.SUCCESS
    assert place.json("final.json")["redirects"] == 1
    assert place.handler.nodes.count("gate") == 2
