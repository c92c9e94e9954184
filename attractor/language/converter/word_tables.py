"""The words of other tools, and what they are here: one table for each kind of word.

They come from fabro, kilroy, brynary/attractor and samueljklee/attractor, which all began with the
same specification, and from its older editions.

Turns the words of conditions into ours, without touching anything else in them.
"""

import re
from collections.abc import Mapping, Sequence

from attractor.base.dataclasses import dataclass
from attractor.language.graph.graph import AttributeOwner

RENAMED: Mapping[tuple[AttributeOwner, str], str] = {
    (AttributeOwner.NODE, "script"): "tool_command",
    (AttributeOwner.NODE, "command"): "tool_command",
    (AttributeOwner.NODE, "model"): "llm_model",
    (AttributeOwner.NODE, "provider"): "llm_provider",
    (AttributeOwner.GRAPH, "model"): "llm_model",
    (AttributeOwner.GRAPH, "provider"): "llm_provider",
    (AttributeOwner.NODE, "llm_prompt"): "prompt",
    (AttributeOwner.NODE, "handler"): "type",
    (AttributeOwner.NODE, "retry_preset"): "retry_policy",
    (AttributeOwner.NODE, "max_iterations"): "manager.max_cycles",
    (AttributeOwner.NODE, "join_k"): "k",
    (AttributeOwner.GRAPH, "default_max_retry"): "default_max_retries",
    (AttributeOwner.GRAPH, "context_fidelity_default"): "default_fidelity",
}
"""Attributes that only have another name here."""

MEANINGLESS = frozenset({"is_codergen", "node_type", "provenance_version"})
"""Attributes that say what the shape says already, or where the file came from."""

TYPES: Mapping[str, str] = {
    "agent": "codergen",
    "agent_loop": "codergen",
    "prompt": "codergen",
    "one_shot": "codergen",
    "command": "tool",
    "human": "wait.human",
    "fan_in": "parallel.fan_in",
    "manager": "stack.manager_loop",
}
"""Node types that only have another name here."""

SHAPES: Mapping[str, tuple[str, str]] = {
    "tab": ("box", "the stage has tools here, not one model call alone"),
    "circle": ("Mdiamond", "the start"),
    "doublecircle": ("Msquare", "the exit"),
}
"""Shapes that are others here, and what to know about it."""

OUTCOMES: Mapping[str, str] = {
    "succeeded": "success",
    "ok": "success",
    "failed": "fail",
    "failure": "fail",
    "error": "fail",
    "partially_succeeded": "partial_success",
    "partialsuccess": "partial_success",
    "degraded_success": "partial_success",
    "degradedsuccess": "partial_success",
}
"""Words for outcomes in conditions."""

OUR_OUTCOMES = frozenset({"success", "partial_success", "retry", "fail", "skipped"})

STYLE_PROPERTIES: Mapping[str, str] = {"model": "llm_model", "provider": "llm_provider"}
"""Properties in model stylesheets."""

VARIABLES: Mapping[str, str] = {"KILROY_STAGE_STATUS_PATH": "ATTRACTOR_STATUS_FILE"}
"""Variables that prompts and commands name, which only have another name here."""

NO_TYPE: Mapping[str, str] = {
    "wait": 'write type="tool" with tool_command="sleep 30"',
    "loop.begin": "draw the loop with edges and bound it with max_visits",
    "loop.end": "draw the loop with edges and bound it with max_visits",
    "concurrent.split": "use shape=component, whose branches meet at shape=tripleoctagon",
    "concurrent.join": "use shape=component, whose branches meet at shape=tripleoctagon",
    "sub_pipeline": 'write type="import" with file="..."',
}
"""Node types that are not there, and what to write instead."""

NO_SHAPE: Mapping[str, str] = {
    "insulator": NO_TYPE["wait"],
    "trapezium": NO_TYPE["loop.begin"],
    "invtrapezium": NO_TYPE["loop.end"],
    "pentagon": NO_TYPE["concurrent.split"],
    "cylinder": NO_TYPE["concurrent.join"],
}
"""Shapes that stand for a type that is not there."""

NO_ATTRIBUTE: Mapping[str, str] = {
    "agent_mode": "choose the backend for the run",
    "agent_tool": "choose the backend for the run",
    "child_graph": "write stack.child_dotfile on the graph",
    "concurrent_id": "use shape=component, whose branches meet at shape=tripleoctagon",
    "context_thread_default": "write thread_id on the nodes",
    "default_command_timeout_ms": "write timeout on the nodes",
    "default_thread": "write thread_id on the nodes",
    "duration": 'write tool_command="sleep 30" on a tool node',
    "error_policy": "say with join_policy when the branches are done",
    "escalation_models": "name one model with llm_model",
    "freeform": "give every choice an edge with a label",
    "language": "call the interpreter in tool_command",
    "loop_count": "draw the loop with edges and bound it with max_visits",
    "loop_id": "draw the loop with edges and bound it with max_visits",
    "loop_max": "draw the loop with edges and bound it with max_visits",
    "loop_restart_persist_keys": "name the values context.keep.NAME",
    "loop_restart_signature_limit": "bound the loop with max_visits",
    "loop_until_file": "let a tool node test for the file",
    "loop_until_file_contains": "let a tool node test what is in the file",
    "loop_while_outcome": "draw the loop with a condition on an edge",
    "manager.steer_cooldown": "say with manager.poll_interval how often the manager looks",
    "max_agent_turns": "bound the stage with timeout",
    "max_command_timeout_ms": "write timeout on the nodes",
    "max_tokens": "the limit of the model holds",
    "outputs": "let a goal gate test what was written",
    "project_memory": "the agent finds the project's instructions by itself",
    "quorum_fraction": "a quorum is more than half",
    "retries_before_escalation": "write max_retries",
    "selection": "write weight on the edges",
    "speed": "choose it with llm_model",
    "stack.child_dot_source": "write the child into a file of its own and name it on the graph",
    "stack.child_workflow": "write stack.child_dotfile on the graph",
    "stall_timeout": "write timeout on the nodes",
    "sub_pipeline": 'write type="import" with file="..."',
    "success_condition": "write manager.stop_condition",
    "system_prompt": "put it before the prompt",
}
"""Attributes that nothing here corresponds to, and what to do instead."""

NO_KEY: Mapping[str, str] = {
    "context.failure_class": "a failure that trying again can help is tried again by max_retries",
    "context.internal.node_visit_count": "bound the visits with max_visits",
    "internal.node_visit_count": "bound the visits with max_visits",
    "codergen.": "let the stage report an outcome or a preferred label",
    "tool.": "go by the outcome: a command that ends with another code than 0 fails",
}
"""Keys of conditions, or their beginnings, that nothing here writes."""

OUR_KEYS = frozenset({"tool.output"})
"""Keys that begin as one of those and are there."""


# Within the quotes of an attribute, quotes and backslashes have a backslash before them.
_CLAUSE = re.compile(
    r"""(?P<key>[A-Za-z_][\w.]*)
    (?: (?P<operator>\s*!?=\s*) (?P<quote>(?:\\")?) (?P<word>[A-Za-z_][\w-]*) (?P=quote) )?
    | \\" (?: [^"\\] | \\\\ (?: \\. | [^"\\] ) | \\ [^"\\] )* \\" """,
    re.VERBOSE | re.DOTALL,
)
_OUTCOME = frozenset({"outcome", "context.outcome"})


@dataclass(frozen=True)
class ConvertedCondition:
    """A condition as it is written here, what changed in it, and what could not be changed."""

    text: str
    changed: Sequence[str]
    left: Sequence[tuple[str, str]]


def convert_condition(written: str) -> ConvertedCondition:
    """Convert a condition as it stands between its quotes.

    An outcome that is no outcome here is a way out of the stage's own naming: a preferred label.
    """
    pieces: list[str] = []
    changed: list[str] = []
    left: list[tuple[str, str]] = []
    at = 0
    for found in _CLAUSE.finditer(written):
        key, word = found["key"], found["word"]
        if key in _OUTCOME and word and word not in OUR_OUTCOMES:
            ours = _outcome(word)
            our_key, our_word = (key, ours) if ours else ("preferred_label", word)
            pieces += [written[at : found.start()], our_key, found["operator"]]
            pieces += [found["quote"], our_word, found["quote"]]
            at = found.end()
            changed.append(f"{key}={word} is {our_key}={our_word}")
        elif key and (advice := _advice(key)):
            left.append((f"nothing here writes {key}", advice))
    return ConvertedCondition("".join([*pieces, written[at:]]), changed, left)


def _outcome(word: str) -> str:
    """Return our word for an outcome; nothing for one that a tool made up."""
    plain = word.lower().replace("-", "_")
    return plain if plain in OUR_OUTCOMES else OUTCOMES.get(plain, "")


def _advice(key: str) -> str:
    if key in OUR_KEYS:
        return ""
    beginnings = (
        advice for start, advice in NO_KEY.items() if start[-1] == "." and key.startswith(start)
    )
    return NO_KEY.get(key, "") or next(beginnings, "")
