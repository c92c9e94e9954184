"""The choices of a person at a human gate, and the choice that an answer selects."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import StageStatus
from attractor.engine.questions.edge_labels import accelerator, normalize_label
from attractor.engine.questions.question import fold_words, pick_match
from attractor.engine.routing.edge_selection import make_lookup
from attractor.language.graph.graph import Edge, Graph

_NO_VALUES: Mapping[str, Json] = {}


@dataclass(frozen=True)
class GateChoice:
    """One choice at a gate: its key, its label, its target node."""

    key: str
    label: str
    target: str


def find_choices(
    graph: Graph, node: str, values: Mapping[str, Json] = _NO_VALUES
) -> tuple[GateChoice, ...]:
    """Return the choices at a node, each with a unique key.

    Conditions may use the choice itself or values of the context; an edge whose condition would be
    false after its choice is left out.
    """
    ways = dict.fromkeys(
        (_label(edge), edge.target) for edge in graph.outgoing(node) if _is_open(edge, values)
    )
    keys = _distinct([accelerator(label) for label, _ in ways])
    return tuple(GateChoice(key, *way) for key, way in zip(keys, ways, strict=True))


def record_choice(choice: GateChoice) -> dict[str, Json]:
    """Return the context updates for a choice."""
    return {
        "human.gate.selected": choice.key,
        "human.gate.label": choice.label,
        "human.gate.target": choice.target,
    }


def match_choice(answer: str, choices: Sequence[GateChoice]) -> GateChoice | None:
    """Return the only choice that an answer matches by key, label or target, if there is one."""
    return pick_match(answer, choices, _READINGS)


def match_target(answer: str, choices: Sequence[GateChoice]) -> GateChoice | None:
    """Return the only choice with a target node, else the choice that an answer matches."""
    meant = [choice for choice in choices if choice.target == answer]
    return meant[0] if len(meant) == 1 else match_choice(answer, choices)


def preferred_label(choice: GateChoice, choices: Sequence[GateChoice]) -> str:
    """Return the label of a choice, or empty if the label is ambiguous."""
    same = [one for one in choices if normalize_label(one.label) == normalize_label(choice.label)]
    return choice.label if len(same) == 1 else ""


def _is_open(edge: Edge, values: Mapping[str, Json]) -> bool:
    label = _label(edge)
    chosen = {**values, **record_choice(GateChoice(accelerator(label), label, edge.target))}
    lookup = make_lookup(StageStatus.SUCCESS, label, chosen)
    return edge.condition.holds(lookup)


def _label(edge: Edge) -> str:
    return edge.label if edge.label.strip() else edge.target


def _distinct(keys: Sequence[str]) -> list[str]:
    """Number the choices with the same key, so that none is picked by mistake."""
    times = Counter(fold_words(key) for key in keys)
    free = (str(number) for number in count(1) if str(number) not in times)
    return [key if times[fold_words(key)] == 1 else next(free) for key in keys]


_READINGS: Sequence[Callable[[GateChoice], str]] = (
    lambda choice: choice.key,
    lambda choice: choice.label,
    lambda choice: normalize_label(choice.label),
    lambda choice: choice.target,
)
