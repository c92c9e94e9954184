"""Every handler is built from parts and executes a stage."""

import inspect
from collections.abc import AsyncIterator

import pytest

from attractor.base.errors import InvalidPart, UnknownName
from attractor.base.json import Json
from attractor.base.registry import Registry, find_shortcoming
from attractor.engine.context import Context
from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.seams import Handler, Parts, PlayedTrain, TrainChoice, Workspace
from attractor.engine.state.attempts import TreeId
from attractor.handlers.registry import BuiltHandler, handler_registry
from attractor.language.reading import parse
from tests.engine.branches import MEETING, GivenBranches
from tests.engine.children import GivenChildren, Plot
from tests.examples import ROOT, Fence, fences
from tests.handlers.stages import Person, Play, Saying, edge, graph, node
from tests.packages import Places
from tests.tables import table

NAMES = list(handler_registry())
PAGE = ROOT / "docs" / "reference" / "handlers.md"
EXAMPLES = [fence for fence in fences("dot") if fence.page == PAGE]


@table("name", NAMES)
def test_handler_is_built_from_parts_and_has_docstring(name: str) -> None:
    kind = handler_registry()[name]
    handler = kind(Parts(Saying("done"), Person()))
    assert find_shortcoming(handler, Handler) == ""
    assert inspect.getdoc(kind)
    assert inspect.getdoc(kind.execute)
    assert handler_registry().summary(name)


async def play_one(
    workspace: Workspace, tree: TreeId, choice: TrainChoice
) -> AsyncIterator[PlayedTrain]:
    yield PlayedTrain("adding", satisfied=True, text="adding (train): satisfied")


@table("name", [one for one in NAMES if not one.startswith("growth.")])
def test_handler_executes_a_complete_stage(name: str) -> None:
    what = {"tool_command": "make", "items": "list", "duration": "0s", "file": "inner.dot"}
    it = node("it", type=name, prompt="Do it", **what)
    pipeline = graph(it, edge("it", "on", label="Yes"), stack__child_dotfile="inner.dot")
    met: list[Json] = [{"id": "a", "outcome": "success"}]
    play = Play(
        pipeline,
        "it",
        interviewer=Person(["Yes"]),
        context=Context({"list": [1], "parallel.results": met}),
        branches=GivenBranches(fork=MEETING),
        children=GivenChildren({"inner.dot": Plot().opened()}),
        play_train=play_one,
    )
    outcome = play.run()
    assert isinstance(outcome, Outcome)
    assert outcome.status is StageStatus.SUCCESS


@table("name", NAMES)
def test_handler_has_no_state_between_stages(name: str) -> None:
    handler = handler_registry()[name](Parts(Saying("done"), Person()))
    with pytest.raises(AttributeError):
        handler.anything = 1  # pyright: ignore[reportAttributeAccessIssue]


@table("name", NAMES)
def test_a_handler_is_documented(name: str) -> None:
    page = PAGE.read_text("utf-8")
    assert f"| [`{name}`](" in page
    assert f"\n## {name}\n" in page


@table("fence", EXAMPLES)
def test_an_example_is_a_pipeline_whose_nodes_have_handlers(fence: Fence) -> None:
    pipeline = parse(fence.text)
    assert {one.type for one in pipeline.nodes.values()} <= set(NAMES)
    ends = {"start", "exit"}
    assert ends <= {one.type for one in pipeline.nodes.values()}


@table("name", NAMES)
def test_a_handler_has_an_example(name: str) -> None:
    section = PAGE.read_text("utf-8").partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    [example] = [one for one in EXAMPLES if one.text in section]
    assert name in {one.type for one in parse(example.text).nodes.values()}


def test_unknown_type_gets_suggestion() -> None:
    with pytest.raises(UnknownName) as caught:
        handler_registry()["wait.humans"]
    assert str(caught.value) == "unknown handler 'wait.humans'"
    assert caught.value.hint == "did you mean wait.human?"


def test_object_without_execute_is_refused(places: Places) -> None:
    package = places.package(
        wrong='"""Nothing."""\nclass Wrong:\n    def run(self): ...\npart = Wrong',
        made='"""Built."""\npart = 3',
    )
    registry = Registry(package, type[BuiltHandler], noun="handler")
    with pytest.raises(InvalidPart, match="Wrong has no execute"):
        registry["wrong"]
    with pytest.raises(InvalidPart, match="not a class"):
        registry["made"]
