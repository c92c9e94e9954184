"""The handlers that talk to a model put what went before in front of the prompt."""

import asyncio
from dataclasses import replace

import pytest

from attractor.engine.prompts.inherited_context import InheritedContext
from attractor.engine.prompts.preamble import Past, Remembered, StageNote
from attractor.engine.seams import Parts
from attractor.handlers.registry import handler_registry
from attractor.language.graph.fidelity import Fidelity
from tests.handlers.stages import Person, Play, Saying, graph, node

PAST = Past((StageNote("plan", 1, "success", "planned"),), {"success": 1})


@pytest.mark.parametrize("type_", ["codergen", "prompt"])
def test_it_is_asked_and_kept_with_the_prompt(type_: str) -> None:
    backend = Saying("done")
    play = Play(graph(node("build", type=type_, prompt="Build it"), goal="a clock"), "build")
    carried = InheritedContext(Fidelity.SUMMARY_LOW, None, Remembered("a clock", "run-1", PAST, {}))
    handler = handler_registry()[type_](Parts(backend, Person()))
    asyncio.run(handler.execute(replace(play.stage, inherited=carried)))
    [asked] = backend.prompts
    assert asked == play.files.texts["prompt.md"]
    assert asked.startswith("# What went before\n\nGoal: a clock\nRun: run-1\n")
    assert "- plan (success): planned" in asked
    assert asked.endswith("\n\n# Your task\n\nBuild it")
