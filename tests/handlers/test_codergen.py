import asyncio

import pytest

from attractor.engine.outcome import FailureClass, Outcome
from attractor.engine.seams import Parts
from attractor.handlers.codergen import Codergen
from attractor.language.graph.graph import Graph
from attractor.language.preparation.prepare import TransformContext
from attractor.language.source.syntax_tree import Plain
from attractor.language.transforms.variable_expansion import VariableExpansion
from tests.handlers.stages import Play, Saying, graph, node
from tests.tables import table


def one(**plain: Plain) -> Graph:
    return graph(node("plan", **plain), goal="a clock")


@table("prompt", ["", "  \n"])
def test_without_a_prompt_the_label_is_the_prompt(prompt: str) -> None:
    play = Play(one(prompt=prompt, label="Plan $goal, $goal"), "plan")
    play.run()
    assert play.files.texts["prompt.md"] == "Plan a clock, a clock"


@table("attribute", ["prompt", "label"])
def test_a_goal_that_names_the_variable_is_put_in_once(attribute: str) -> None:
    written = graph(node("plan", **{attribute: "Do: $goal"}), goal="explain $goal")
    play = Play(VariableExpansion(TransformContext()).apply(written), "plan")
    play.run()
    assert play.files.texts["prompt.md"] == "Do: explain $goal"


def test_an_input_that_names_the_variable_is_left_alone() -> None:
    # As after preparation, which put the input in.
    play = Play(one(prompt="Fix: $goal!"), "plan", inputs={"issue": "$goal!"})
    play.run()
    assert play.files.texts["prompt.md"] == "Fix: $goal!"


def test_a_word_that_begins_like_the_variable_is_left_alone() -> None:
    play = Play(one(prompt=r"$goals of $goal, \1"), "plan")
    play.run()
    assert play.files.texts["prompt.md"] == r"$goals of a clock, \1"


def test_long_response_is_truncated_in_the_context_only() -> None:
    play = Play(one(), "plan", backend=Saying("é" * 1000))
    assert play.run().context_updates["last_response"] == "é" * 199 + "…"
    assert play.files.texts["response.md"] == "é" * 1000


def test_the_prompt_is_on_disk_before_the_backend_begins() -> None:
    seen: list[str] = []

    class Looking(Saying):
        async def run(self, stage: object, prompt: str) -> Outcome | str:
            seen.extend(play.files.texts)
            return "done"

    play = Play(one(), "plan", backend=Looking(""))
    play.run()
    assert seen == ["prompt.md"]


def test_input_that_no_receipt_can_get_is_a_fault_before_the_agent_begins() -> None:
    play, agent = Play(one(receipt="make test"), "plan"), Saying("done")
    parts = Parts(agent, play.interviewer, {"spec": "a\0b"}, takes_receipts=lambda node: True)
    outcome = asyncio.run(Codergen(parts).execute(play.stage))
    assert outcome.failure_class is FailureClass.PIPELINE
    assert outcome.failure_reason.startswith("the input spec contains a NUL byte")
    assert agent.prompts == []


def test_an_error_of_the_backend_is_left_to_the_engine() -> None:
    class Broken(Saying):
        async def run(self, stage: object, prompt: str) -> Outcome | str:
            raise ConnectionError("no answer")

    play = Play(one(), "plan", backend=Broken(""))
    with pytest.raises(ConnectionError, match="no answer"):
        play.run()
    assert "prompt.md" in play.files.texts
