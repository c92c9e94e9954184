from collections.abc import Sequence
from dataclasses import dataclass, field

from attractor.base.json import Json
from attractor.engine.context import Context
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage, failure
from attractor.engine.seams import ModelAnswer, Stage
from attractor.engine.stage.no_workspace import NoWorkspace
from attractor.engine.state.attempts import TreeId
from attractor.language.source.syntax_tree import Plain
from tests.handlers.stages import Play, Saying, edge, graph, node
from tests.tables import table


class Adopting(NoWorkspace):
    """Records the adopted trees; some of them conflict."""

    def __init__(self, conflicts: Sequence[str] = ()) -> None:
        super().__init__()
        self.conflicts = conflicts
        self.adopted: list[tuple[list[TreeId], TreeId]] = []

    async def adopt(self, trees: Sequence[TreeId], *, base: TreeId) -> Sequence[str]:
        self.adopted.append((list(trees), base))
        return self.conflicts


def result(id_: str, outcome: str = "success", **more: Json) -> dict[str, Json]:
    trees: dict[str, Json] = {"base": "t0", "tree": f"tree-{id_}"}
    return {"id": id_, "branch": f"fan@1.1/{id_}", "outcome": outcome, **trees, **more}


@dataclass
class FanInPlay:
    """A fan-in after its branches."""

    results: list[Json]
    backend: Saying = field(default_factory=lambda: Saying("nobody is asked"))
    workspace: Adopting = field(default_factory=Adopting)
    plain: dict[str, Plain] = field(default_factory=dict[str, Plain])

    def __post_init__(self) -> None:
        pipeline = graph(node("it", shape="tripleoctagon", **self.plain), edge("it", "on"))
        context = Context({"parallel.results": self.results})
        self.play = Play(
            pipeline, "it", backend=self.backend, workspace=self.workspace, context=context
        )

    def run(self) -> Outcome:
        return self.play.run()

    @property
    def adopted(self) -> list[str]:
        return [tree for trees, _ in self.workspace.adopted for tree in trees]


def fan_in(*results: Json, said: Outcome | str = "", **plain: Plain) -> FanInPlay:
    return FanInPlay(list(results), Saying(said), plain=plain)


def test_without_results_the_pipeline_is_wrong() -> None:
    outcome = fan_in().run()
    assert outcome.failure_reason == "No parallel results to evaluate"
    assert outcome.failure_class is FailureClass.PIPELINE


def test_model_selects_among_successful_branches() -> None:
    it = fan_in(
        result("a"),
        result("b", response="shorter", files_changed=["x.py"]),
        result("c", "fail"),
        prompt="Which is $goal?",
        said="They differ in length.\nb",
    )
    outcome = it.run()
    assert outcome.context_updates["parallel.fan_in.best_id"] == "b"
    assert (outcome.notes, outcome.preferred_label) == ("Selected best candidate: b", "")
    assert it.adopted == ["tree-b"]
    [prompt] = it.backend.prompts
    assert "## b\noutcome: success\nfiles changed: x.py\nshorter" in prompt
    assert "## c" not in prompt
    assert it.play.files.texts == {"prompt.md": prompt, "response.md": "They differ in length.\nb"}
    assert it.play.events.all == []


@table(
    "said",
    [
        Outcome(StageStatus.SUCCESS, preferred_label="B"),
        Outcome(StageStatus.SUCCESS, suggested_next_ids=("nobody", "b")),
        Outcome(StageStatus.PARTIAL_SUCCESS, notes="I would take b"),
    ],
)
def test_an_outcome_may_name_the_candidate_too(said: Outcome) -> None:
    outcome = fan_in(result("a"), result("b"), prompt="Which?", said=said).run()
    assert outcome.context_updates["parallel.fan_in.best_id"] == "b"
    assert outcome.status is StageStatus.SUCCESS
    assert (outcome.preferred_label, outcome.suggested_next_ids) == ("", ())


def test_response_and_usage_are_kept() -> None:
    said = Outcome(
        StageStatus.SUCCESS,
        preferred_label="b",
        context_updates={"why": "short"},
        usage=Usage(1, 2, 0.5),
    )
    outcome = fan_in(result("a"), result("b"), prompt="Which?", said=said).run()
    assert (outcome.context_updates["why"], outcome.usage) == ("short", Usage(1, 2, 0.5))


class Paid(Saying):
    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        return ModelAnswer("b", Usage(3, 4, 0.25))


def test_usage_of_text_answer_is_kept() -> None:
    it = FanInPlay([result("a"), result("b")], Paid(""), plain={"prompt": "Which?"})
    assert it.run().usage == Usage(3, 4, 0.25)


@table("said", ["", "I like none", "a or b", "c"])
def test_answer_without_candidate_selects_best_with_event(said: str) -> None:
    it = fan_in(result("a"), result("b"), result("c", "fail"), prompt="Which?", said=said)
    outcome = it.run()
    assert outcome.context_updates["parallel.fan_in.best_id"] == "a"
    message = "by outcome and score, because the answer named no candidate"
    assert outcome.notes == f"Selected best candidate: a, {message}"
    assert it.play.events.all == [("OutcomeAssumed", {"reason": f"selected a, {message}"})]


def test_a_choice_that_failed_fails_the_fan_in() -> None:
    red = failure("no model")
    it = fan_in(result("a"), prompt="Which?", said=red)
    assert it.run() is red
    assert it.workspace.adopted == []
