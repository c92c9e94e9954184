"""What a person can choose at a gate, and which choice an answer means."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.outcome import StageStatus
from attractor.engine.questions.answers import fold_words, pick_one
from attractor.engine.questions.edge_labels import accelerator, normalize_label
from attractor.engine.routing.edge_selection import make_lookup
from attractor.language.graph.graph import Edge, Graph

_NO_VALUES: Mapping[str, Json] = {}


@dataclass(frozen=True)
class Choice:
    """One way out of a gate: the key to type, the words to read, the node it leads to."""

    key: str
    label: str
    target: str


def find_choices(
    graph: Graph, node: str, values: Mapping[str, Json] = _NO_VALUES
) -> tuple[Choice, ...]:
    """Return the ways out of a node that can be chosen, each with a key of its own.

    A condition may ask for the choice itself or for values of the context; a way whose condition
    would not hold if it were chosen, such as one after a failure, is not offered.
    """
    ways = dict.fromkeys(
        (_label(edge), edge.target) for edge in graph.outgoing(node) if _is_open(edge, values)
    )
    keys = _distinct([accelerator(label) for label, _ in ways])
    return tuple(Choice(key, *way) for key, way in zip(keys, ways, strict=True))


def record_choice(choice: Choice) -> dict[str, Json]:
    """Return what the context remembers of a choice."""
    return {
        "human.gate.selected": choice.key,
        "human.gate.label": choice.label,
        "human.gate.target": choice.target,
    }


def match_choice(answer: str, choices: Sequence[Choice]) -> Choice | None:
    """Return the one choice that an answer means by its key, its label or its target, if any."""
    return pick_one(answer, choices, _READINGS)


def match_target(answer: str, choices: Sequence[Choice]) -> Choice | None:
    """Return the one choice that leads to a node, else the one that an answer means."""
    meant = [choice for choice in choices if choice.target == answer]
    return meant[0] if len(meant) == 1 else match_choice(answer, choices)


def preferred_label(choice: Choice, choices: Sequence[Choice]) -> str:
    """Return a choice's label, or nothing when routing by it could lead to another choice."""
    alike = [one for one in choices if normalize_label(one.label) == normalize_label(choice.label)]
    return choice.label if len(alike) == 1 else ""


def _is_open(edge: Edge, values: Mapping[str, Json]) -> bool:
    label = _label(edge)
    chosen = {**values, **record_choice(Choice(accelerator(label), label, edge.target))}
    lookup = make_lookup(StageStatus.SUCCESS, label, chosen)
    return edge.condition.holds(lookup)


def _label(edge: Edge) -> str:
    return edge.label if edge.label.strip() else edge.target


def _distinct(keys: Sequence[str]) -> list[str]:
    """Number the choices whose keys clash: nobody shall pick one of them by a slip."""
    times = Counter(fold_words(key) for key in keys)
    free = (str(number) for number in count(1) if str(number) not in times)
    return [key if times[fold_words(key)] == 1 else next(free) for key in keys]


_READINGS: Sequence[Callable[[Choice], str]] = (
    lambda choice: choice.key,
    lambda choice: choice.label,
    lambda choice: normalize_label(choice.label),
    lambda choice: choice.target,
)
