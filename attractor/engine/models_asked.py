"""What a node asks a model for, by its type: pure, and told here alone."""

from enum import StrEnum

from attractor.language.graph.graph import Node

STEER = "steer"
"""The action of a manager that takes a model."""


class Asked(StrEnum):
    """What a model is asked for at one visit."""

    NOTHING = "nothing"
    AN_ANSWER = "an answer"
    A_TASK = "a task"
    ADVICE = "advice, now and then"
    ANYTHING = "anything"


_BY_TYPE = {
    **dict.fromkeys(("start", "exit", "conditional", "tool", "wait", "wait.human"), Asked.NOTHING),
    **dict.fromkeys(("parallel", "for_each", "pipeline"), Asked.NOTHING),
    "codergen": Asked.A_TASK,
    "prompt": Asked.AN_ANSWER,
}
_BY_PROMPT = {"parallel.fan_in": Asked.AN_ANSWER, "stack.manager_loop": Asked.ADVICE}


def what_is_asked(node: Node, type_: str = "") -> Asked:
    """Return what a node asks for, which is executed as its type or as another one.

    Nothing is known of the types of others: they may ask for anything.
    """
    type_ = type_ or node.type
    if type_ not in _BY_PROMPT:
        return _BY_TYPE.get(type_, Asked.ANYTHING)
    is_asked = bool(node.prompt.strip())
    if type_ == "stack.manager_loop":
        is_asked = is_asked and STEER in node.attributes.text("manager.actions")
    return _BY_PROMPT[type_] if is_asked else Asked.NOTHING


def speaks_with_a_model(node: Node) -> bool:
    """Tell whether the stage itself is a turn of a conversation, and not one beside it."""
    return _BY_TYPE.get(node.type, Asked.ANYTHING) is not Asked.NOTHING and (
        node.type not in _BY_PROMPT
    )
