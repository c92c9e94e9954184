"""What a twin tells beside answers: which models there are, one of them, how long a prompt is."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.twins.errors import NoRule, Rejection
from attractor.twins.exchange import Arrival, body_of, refusal, unanswered
from attractor.twins.memory import Memory
from attractor.twins.reply import Reply, whole
from attractor.twins.script import Script
from attractor.twins.server_events import json_text
from attractor.twins.wire import CountsTokens, ListsModels


@dataclass(frozen=True)
class Told:
    """What is told, and about which model if about one."""

    body: JsonObject
    model: str = ""


Telling: TypeAlias = Callable[[Arrival, Sequence[Script]], Told]


def tell(arrival: Arrival, telling: Telling, scripts: Sequence[Script], memory: Memory) -> Reply:
    """Tell what was recorded, else what follows from the scripts."""
    recordings = memory.recordings
    recorded = recordings.answer(arrival.sought) if recordings is not None else None
    if recorded:
        return recorded
    if not scripts and recordings is not None:
        return unanswered(arrival, NoRule(400, ""), scripts, memory)
    try:
        told = telling(arrival, scripts)
    except Rejection as rejection:
        return refusal(arrival.wire, rejection)
    return replace(whole(200, json_text(told.body).encode(), {}), model=told.model)


def all_models(wire: ListsModels) -> Telling:
    """Tell which models the scripts name."""

    def telling(arrival: Arrival, scripts: Sequence[Script]) -> Told:
        return Told(wire.write_models(arrival.told, _models(wire, scripts)))

    return telling


def one_model(wire: ListsModels) -> Telling:
    """Tell of one of these models, the one that the path names."""

    def telling(arrival: Arrival, scripts: Sequence[Script]) -> Told:
        model = arrival.from_path["model"]
        return Told(wire.write_model(arrival.told, model, _models(wire, scripts)), model)

    return telling


def token_count(wire: CountsTokens) -> Telling:
    """Tell how many tokens a prompt is long, as its answer would."""

    def telling(arrival: Arrival, scripts: Sequence[Script]) -> Told:
        conversation = wire.read_count(arrival.told, body_of(arrival))
        return Told(wire.write_count(conversation), conversation.model)

    return telling


def _models(wire: ListsModels, scripts: Sequence[Script]) -> Sequence[str]:
    wires = wire.listed_wires
    named = [one for script in scripts for wire in wires for one in script.models_of(wire)]
    return list(dict.fromkeys(named))
