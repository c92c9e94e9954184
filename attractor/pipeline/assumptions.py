"""What a stage that asks a model is assumed to take where no earlier run tells of one.

How many calls a task takes and how long its prompts are, nobody can know before. So the ends lie
far apart, and whoever shows such numbers says that they are assumed. The prices are those of the
catalogue.
"""

from collections.abc import Iterable

from attractor.backends.models import FindModel, ModelChoice, ModelDefaults
from attractor.base.dataclasses import dataclass
from attractor.engine.prompts.inherited_context import ModelChoice as Asked
from attractor.engine.prompts.inherited_context import what_is_asked
from attractor.language.graph.graph import Node
from attractor.llm.catalogue import ModelInfo, get_model_info
from attractor.llm.errors import ConfigurationError
from attractor.llm.response import cost_of, usage_of
from attractor.pipeline.samples import UNKNOWN, Range

_LETTERS_OF_A_TOKEN = 4


@dataclass(frozen=True)
class Calls:
    """Calls of a model: how many, the tokens of one, how many of them are cached, its seconds."""

    number: int
    prompt: int
    cached: int
    answer: int
    seconds: float


Ends = tuple[Calls, Calls, Calls]
"""At least, most likely, and at most."""

ONE_ANSWER: Ends = (
    Calls(1, 200, 0, 100, 2.0),
    Calls(1, 3_000, 0, 800, 15.0),
    Calls(1, 50_000, 0, 8_000, 120.0),
)
A_TASK: Ends = (
    Calls(3, 5_000, 3_000, 150, 3.0),
    Calls(20, 25_000, 18_000, 400, 8.0),
    Calls(120, 80_000, 40_000, 1_000, 25.0),
)
_ENDS = {Asked.AN_ANSWER: ONE_ANSWER, Asked.A_TASK: A_TASK}


@dataclass(frozen=True)
class Assumption:
    """What a visit is assumed to take, and by what."""

    seconds: Range
    cost_usd: Range
    tokens: Range
    basis: str


def assume(
    node: Node, defaults: ModelDefaults, *, find: FindModel = get_model_info
) -> Assumption | None:
    """Return what is assumed of a visit; nothing of a node that asks no model itself."""
    ends = _ENDS.get(what_is_asked(node))
    if ends is None:
        return None
    choice = defaults.choose(node)
    price = _Price.of(choice, find)
    own = len(node.prompt) // _LETTERS_OF_A_TOKEN
    return Assumption(
        _range(one.number * one.seconds for one in ends),
        _costs(ends, own, price),
        _range(float(one.number * (own + one.prompt + one.answer)) for one in ends),
        f"assumed: {_told(ends)} of {choice.model or 'a model'}{price.why_not}",
    )


@dataclass(frozen=True)
class _Price:
    """The model whose prices count, or why there is none."""

    model: ModelInfo | None
    why_not: str = ""

    @classmethod
    def of(cls, choice: ModelChoice, find: FindModel) -> "_Price":
        if not choice.model:
            return cls(None, "; which one nothing says: --model")
        try:
            model = find(choice.model, choice.provider)
        except ConfigurationError as error:
            return cls(None, f"; what it costs is not known: {error.message}")
        if model is None:
            return cls(None, ", which the catalogue does not know")
        has_price = model.prices().input is not None and model.prices().output is not None
        return cls(model, "" if has_price else ", for which the catalogue has no price")


def _costs(ends: Ends, own: int, price: _Price) -> Range:
    model = price.model
    if model is None:
        return UNKNOWN
    found: list[float] = []
    for one in ends:
        used = usage_of(own + one.prompt, one.answer, cached=one.cached, model=model)
        cost = cost_of(used, model)
        if cost is None:
            return UNKNOWN
        found.append(one.number * cost)
    return _range(found)


def _range(values: Iterable[float]) -> Range:
    low, likely, high = values
    return Range(low, likely, high)


def _told(ends: Ends) -> str:
    low, _, high = (one.number for one in ends)
    return "one call" if high == 1 else f"{low} to {high} calls"
