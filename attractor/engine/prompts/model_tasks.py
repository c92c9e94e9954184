"""The kind of task that a node gives to a model, by the type of the node."""

from enum import StrEnum

from attractor.language.graph.graph import Node

STEER_ACTION = "steer"
"""The action of a manager loop that uses a model."""


class ModelTask(StrEnum):
    """The task that a node gives to a model."""

    NOTHING = "nothing"
    AN_ANSWER = "an answer"
    A_TASK = "a task"
    ADVICE = "advice, now and then"
    ANYTHING = "anything"


_BY_TYPE = {
    **dict.fromkeys(
        ("start", "exit", "conditional", "tool", "wait", "wait.human"), ModelTask.NOTHING
    ),
    **dict.fromkeys(("parallel", "for_each", "pipeline"), ModelTask.NOTHING),
    "codergen": ModelTask.A_TASK,
    "prompt": ModelTask.AN_ANSWER,
}


_BY_PROMPT = {"parallel.fan_in": ModelTask.AN_ANSWER, "stack.manager_loop": ModelTask.ADVICE}


def model_task(node: Node, type_: str = "") -> ModelTask:
    """Return the task of a node, by its type or the type that executes it.

    A custom type may give any task.
    """
    type_ = type_ or node.type
    if type_ not in _BY_PROMPT:
        return _BY_TYPE.get(type_, ModelTask.ANYTHING)
    is_asked = bool(node.prompt.strip())
    if type_ == "stack.manager_loop":
        is_asked = is_asked and STEER_ACTION in node.attributes.text("manager.actions")
    return _BY_PROMPT[type_] if is_asked else ModelTask.NOTHING


def is_conversation_turn(node: Node) -> bool:
    """Return whether the stage is a turn of a conversation."""
    return _BY_TYPE.get(node.type, ModelTask.ANYTHING) is not ModelTask.NOTHING and (
        node.type not in _BY_PROMPT
    )
