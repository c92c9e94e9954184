"""A handler that somebody hands in is called as it wants to be, or refused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from attractor.base.errors import UsageError
from attractor.engine.context import Context
from attractor.engine.interfaces import Stage
from attractor.engine.outcome import Outcome, success
from attractor.engine.stage.execution import execute
from attractor.language.graph.graph import Graph, Node
from attractor.pipeline.custom_handlers import adapt_handler, adapt_handlers
from tests.handlers.stages import Play, graph, node


class Ours:
    async def execute(self, stage: Stage) -> Outcome:
        return success(stage.node.id)


class Theirs:
    def execute(self, node: Node, context: Context, graph: Graph, logs_root: Path) -> Outcome:
        return success(f"{node.id} {context.get('a')} {graph.goal} {logs_root.is_absolute()}")


class Optional:
    async def execute(self, stage: Stage, volume: int = 11) -> Outcome:
        return success(f"{stage.node.id} {volume}")


def notes(handler: Any) -> str:
    play = Play(graph(node("it"), goal="win"), "it")
    play.context.set("a", 1)
    return asyncio.run(execute(adapt_handler("custom", handler), play.stage)).notes


def test_ours_stays_as_it_is() -> None:
    ours = Ours()
    assert adapt_handler("custom", ours) is ours
    assert (notes(ours), notes(Optional())) == ("it", "it 11")


def test_four_arguments_are_handed_over_in_their_order() -> None:
    assert notes(Theirs()).startswith("it 1 win ")


def test_each_of_several_is_adapted() -> None:
    ours = Ours()
    adapted = adapt_handlers({"ours": ours, "theirs": Theirs()})
    assert (list(adapted), adapted["ours"]) == (["ours", "theirs"], ours)


@pytest.mark.parametrize("wrong", [Ours, object(), 7, "wait"])
def test_what_is_no_handler_is_refused_with_its_type(wrong: Any) -> None:
    with pytest.raises(UsageError, match="custom"):
        adapt_handler("custom", wrong)
