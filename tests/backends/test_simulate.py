import asyncio

from attractor.backends.registry import BackendParts
from attractor.backends.simulate import Simulate
from attractor.engine.outcome import Outcome, StageStatus, failure
from attractor.engine.seams import ModelAnswer
from attractor.engine.simulation.outcomes import SimulatedOutcomes
from tests.handlers.stages import Play, graph, node

RED = failure("a test is red")
GREEN = Outcome(StageStatus.SUCCESS, notes="green")


def play(visit: int = 1, /, **outcomes: tuple[Outcome, ...]) -> Play:
    backend = Simulate(BackendParts(simulate=SimulatedOutcomes(outcomes)))
    return Play(graph(node("test", prompt="Run it")), "test", backend=backend, visit=visit)


def test_stage_without_an_outcome_is_marked_as_simulated() -> None:
    it = play(plan=(RED,))
    assert it.run().status is StageStatus.SUCCESS
    assert it.files.texts["response.md"] == "[Simulated] Response for stage: test"


def test_a_stage_with_an_outcome_ends_so_and_its_response_is_kept() -> None:
    it = play(test=(RED,))
    assert it.run() is RED
    assert it.files.texts["response.md"] == "[Simulated] Response for stage: test"


def test_each_visit_has_its_outcome_and_the_last_one_repeats() -> None:
    ends = [play(visit, test=(RED, GREEN)).run() for visit in (1, 2, 3, 9)]
    assert ends == [RED, GREEN, GREEN, GREEN]


def test_another_attempt_of_a_visit_ends_the_same() -> None:
    it = play(1, test=(RED, GREEN))
    it.attempt = 2
    assert it.run() is RED


def test_answers_are_the_same_for_the_same_prompt() -> None:
    async def answers(**outcomes: tuple[Outcome, ...]) -> ModelAnswer | Outcome:
        it = play(**outcomes)
        return await it.backend.answer(it.stage, "Which?")

    assert asyncio.run(answers()) == ModelAnswer("[Simulated] Response for stage: test")
    assert asyncio.run(answers(test=(RED,))) is RED
