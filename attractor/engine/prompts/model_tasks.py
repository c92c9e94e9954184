"""The kind of task that a node gives to a model, by the type of the node."""

from enum import StrEnum

from attractor.language.graph.graph import Node

STEER = "steer"
"""The action of a manager loop that uses a model."""


class ModelChoice(StrEnum):
    """The task that a node gives to a model."""

    NOTHING = "nothing"
    AN_ANSWER = "an answer"
    A_TASK = "a task"
    ADVICE = "advice, now and then"
    ANYTHING = "anything"


_BY_TYPE = {
    **dict.fromkeys(
        ("start", "exit", "conditional", "tool", "wait", "wait.human"), ModelChoice.NOTHING
    ),
    **dict.fromkeys(("parallel", "for_each", "pipeline"), ModelChoice.NOTHING),
    "codergen": ModelChoice.A_TASK,
    "prompt": ModelChoice.AN_ANSWER,
}


_BY_PROMPT = {"parallel.fan_in": ModelChoice.AN_ANSWER, "stack.manager_loop": ModelChoice.ADVICE}


def what_is_asked(node: Node, type_: str = "") -> ModelChoice:
    """Return the task of a node, by its type or the type that executes it.

    A custom type may give any task.
    """
    type_ = type_ or node.type
    if type_ not in _BY_PROMPT:
        return _BY_TYPE.get(type_, ModelChoice.ANYTHING)
    is_asked = bool(node.prompt.strip())
    if type_ == "stack.manager_loop":
        is_asked = is_asked and STEER in node.attributes.text("manager.actions")
    return _BY_PROMPT[type_] if is_asked else ModelChoice.NOTHING


def speaks_with_a_model(node: Node) -> bool:
    """Return whether the stage is a turn of a conversation."""
    return _BY_TYPE.get(node.type, ModelChoice.ANYTHING) is not ModelChoice.NOTHING and (
        node.type not in _BY_PROMPT
    )
