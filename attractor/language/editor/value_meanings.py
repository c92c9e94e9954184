"""Describes the values of attributes: types, shapes and fidelities."""

from collections.abc import Mapping

from attractor.language.graph.attribute_catalogue import ATTRIBUTES, AttributeType
from attractor.language.graph.graph import TYPE_OF_SHAPE

TYPE_MEANINGS: Mapping[str, str] = {
    "start": "The pipeline begins here.",
    "exit": "The pipeline ends here, once every goal gate holds.",
    "codergen": "A coding agent does what the prompt says.",
    "prompt": "A model answers the prompt in words, without tools.",
    "tool": "A shell command is run: `tool_command`.",
    "wait.human": "A person chooses the way on by the labels of the edges.",
    "wait": "The walk waits: for a `duration`, or `until` a moment.",
    "conditional": "Conditions on the edges choose the way on; nothing is done.",
    "parallel": "Every way out becomes a branch, and the branches run at the same time.",
    "parallel.fan_in": "Branches meet here, and one of them is chosen.",
    "for_each": "The same branch is walked for each item of a list.",
    "pipeline": "Another pipeline is run as one stage.",
    "stack.manager_loop": "Another pipeline is run, looked at in cycles, and steered.",
    "import": "The nodes of another file take the place of this one.",
}
"""The meanings of node types."""

FIDELITY_MEANINGS: Mapping[str, str] = {
    "full": "The session of the same thread goes on, with all that was said in it.",
    "truncate": "A fresh session that is told the goal and the run, and no more.",
    "compact": "A fresh session with a list of the stages done, their outcomes and key values.",
    "summary:low": "A fresh session with a brief summary, of some 600 tokens.",
    "summary:medium": "A fresh session with a summary of recent outcomes, of some 1500 tokens.",
    "summary:high": "A fresh session with a detailed summary, of some 3000 tokens.",
}
"""The meanings of fidelities."""


def meaning_of(key: str, value: str) -> str:
    """Return the meaning of a value, or "" for free text."""
    match key:
        case "shape":
            type_ = TYPE_OF_SHAPE.get(value, "")
            return f"A node of type `{type_}`. {TYPE_MEANINGS[type_]}" if type_ else ""
        case "type":
            return TYPE_MEANINGS.get(value, "")
        case "fidelity" | "default_fidelity":
            return FIDELITY_MEANINGS.get(value, "")
        case _:
            row = ATTRIBUTES.get(key)
            if row is None:
                return ""
            is_choice = value in row.choices or _is_truth(row.type, value)
            return row.sentence if is_choice else ""


def _is_truth(type_: AttributeType, value: str) -> bool:
    return type_ is AttributeType.BOOLEAN and value in ("true", "false")
