from attractor.engine.context import Context
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage, failure
from attractor.engine.seams import ModelAnswer, Stage
from attractor.language.graph.graph import Node
from attractor.language.source.syntax_tree import Plain, Value, ValueKind
from tests.handlers.stages import Play, Saying, edge, graph, node
from tests.tables import table


class Costly(Saying):
    """Reports its cost, too."""

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        said = await super().answer(stage, prompt)
        return (
            ModelAnswer(said.text, Usage(120, 30, 0.5)) if isinstance(said, ModelAnswer) else said
        )


def play(said: Outcome | str = "Fine. 🐍", /, **plain: Plain) -> Play:
    pipeline = graph(node("it", type="prompt", **plain), edge("it", "on"), goal="a größe")
    return Play(pipeline, "it", backend=Costly(said))


def test_prompt_and_response_are_written() -> None:
    it = play(prompt="Name $goal")
    outcome = it.run()
    assert it.files.texts == {"prompt.md": "Name a größe", "response.md": "Fine. 🐍"}
    assert outcome == Outcome(
        StageStatus.SUCCESS,
        context_updates={"last_stage": "it", "last_response": "Fine. 🐍"},
        notes="Stage completed: it",
        usage=Usage(120, 30, 0.5),
    )


def test_prompt_stage_returns_text_without_an_agent() -> None:
    class OnlyWords(Costly):
        async def run(self, stage: Stage, prompt: str) -> Outcome | str:
            raise AssertionError("an agent would have tools")

    it = play(prompt="Name it")
    it.backend = OnlyWords("yes")
    assert it.run().status is StageStatus.SUCCESS


def template(text: str, type_: str = "prompt") -> Play:
    value = Value(ValueKind.TEMPLATE, text, text)
    attributes = node("it", type=type_, prompt="").attributes.replaced("prompt", value)
    return Play(graph(Node("it", attributes), goal="a größe"), "it", backend=Costly("Fine."))


def test_template_is_rendered_with_context() -> None:
    it = template("{{ goal }}: {{ context.size }} {{ inputs.ticket }}")
    it.context, it.inputs = Context({"size": 3}), {"ticket": "A-1"}
    it.run()
    assert it.files.texts["prompt.md"] == "a größe: 3 A-1"


@table("type_", ["prompt", "codergen"])
def test_invalid_template_is_a_pipeline_fault(type_: str) -> None:
    it = template("{{ context.size + 1 }}", type_)
    outcome = it.run()
    assert (outcome.status, outcome.failure_class) == (StageStatus.FAIL, FailureClass.PIPELINE)
    assert it.files.texts == {}


@table("kind", list(FailureClass))
def test_how_the_backend_failed_is_how_the_stage_failed(kind: FailureClass) -> None:
    failed = failure("RateLimitError: slow down", kind)
    assert play(failed, prompt="Name it").run() == failed


@table(
    ("plain", "reason"),
    [
        ({"require_verdict": True}, "no_verdict"),
        ({"require_verdict": True, "auto_status": True}, ""),
        ({}, ""),
    ],
)
def test_text_is_no_verdict_at_a_goal_gate(plain: dict[str, Plain], reason: str) -> None:
    outcome = play(prompt="Is it good?", goal_gate=True, **plain).run()
    assert (outcome.failure_reason, outcome.usage) == (reason, Usage(120, 30, 0.5))
    assert outcome.failure_class is (FailureClass.VERDICT if reason else None)
