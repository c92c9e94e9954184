"""Every attribute that means something to Attractor, in one table (attractor-spec 2.5-2.7, App. A).

Parsing, linting, the reference and editors read it. What Graphviz alone reads is in `graphviz.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """What an attribute can stand on."""

    GRAPH = "graph"
    NODE = "node"
    EDGE = "edge"


class AttributeType(StrEnum):
    """What an attribute's value has to be."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DURATION = "duration"


@dataclass(frozen=True)
class KnownAttribute:
    """One attribute; without choices every value of its type will do.

    The least value of a duration counts milliseconds.
    """

    name: str
    places: tuple[Place, ...]
    type: AttributeType
    default: str
    sentence: str
    choices: tuple[str, ...] = ()
    alias_of: str = ""
    minimum: int | None = None


_GRAPH, _NODE, _EDGE = (Place.GRAPH,), (Place.NODE,), (Place.EDGE,)
_GRAPH_NODE, _NODE_EDGE = (Place.GRAPH, Place.NODE), (Place.NODE, Place.EDGE)
_TEXT, _WHOLE = AttributeType.STRING, AttributeType.INTEGER
_TRUTH, _TIME = AttributeType.BOOLEAN, AttributeType.DURATION
_NUMBER = AttributeType.NUMBER

_ROWS = (
    KnownAttribute(
        "label",
        (Place.GRAPH, Place.NODE, Place.EDGE),
        _TEXT,
        "a node's id",
        "What people read; on an edge also the word by which an outcome can prefer it.",
    ),
    # The graph.
    KnownAttribute(
        "goal",
        _GRAPH,
        _TEXT,
        "",
        "What the pipeline is for; `$goal` in prompts, `graph.goal` in the context.",
    ),
    KnownAttribute(
        "model_stylesheet",
        _GRAPH,
        _TEXT,
        "",
        "Rules that give nodes their model, provider and effort.",
    ),
    KnownAttribute(
        "default_max_retries",
        _GRAPH,
        _WHOLE,
        "0",
        "The additional attempts of a node without `max_retries`.",
        minimum=0,
    ),
    KnownAttribute(
        "default_max_retry",
        _GRAPH,
        _WHOLE,
        "0",
        "The older name of `default_max_retries`.",
        alias_of="default_max_retries",
    ),
    KnownAttribute(
        "default_fidelity", _GRAPH, _TEXT, "", "How much context stages carry over; else `compact`."
    ),
    KnownAttribute(
        "max_goal_gate_redirects",
        _GRAPH,
        _WHOLE,
        "10",
        "How often the exit sends the walk back because a goal gate does not hold.",
        minimum=0,
    ),
    KnownAttribute(
        "max_node_visits",
        _GRAPH,
        _WHOLE,
        "100",
        "The visits that a node without `max_visits` may have.",
        minimum=1,
    ),
    KnownAttribute(
        "max_restarts",
        _GRAPH,
        _WHOLE,
        "5",
        "How often `loop_restart` may start the run anew.",
        minimum=0,
    ),
    KnownAttribute(
        "max_cost_usd",
        _GRAPH,
        _NUMBER,
        "none",
        "How much a run may cost, in US dollars, before it stops and can be resumed.",
        minimum=0,
    ),
    KnownAttribute(
        "max_tokens",
        _GRAPH,
        _WHOLE,
        "none",
        "How many tokens a run may use before it stops and can be resumed.",
        minimum=0,
    ),
    KnownAttribute(
        "max_duration",
        _GRAPH,
        _TIME,
        "none",
        "How long a run may take before it stops and can be resumed.",
        minimum=1,
    ),
    KnownAttribute(
        "inputs",
        _GRAPH,
        _TEXT,
        "",
        'What a run is given, such as `"ticket, branch=main, count:int=3, token:secret"`.',
    ),
    KnownAttribute(
        "requires",
        _GRAPH,
        _TEXT,
        "",
        'What has to be there before a run begins, such as `"git, node>=20, env:TOKEN"`.',
    ),
    KnownAttribute(
        "stack.child_dotfile", _GRAPH, _TEXT, "", "The pipeline that a manager loop supervises."
    ),
    KnownAttribute(
        "stack.child_workdir",
        _GRAPH,
        _TEXT,
        "the run's folder",
        "The working folder of the supervised run.",
    ),
    # Graph and node.
    KnownAttribute(
        "retry_target",
        _GRAPH_NODE,
        _TEXT,
        "",
        "The node to go to when this one failed and has no attempt left; on the graph, when the "
        "exit finds a goal gate that does not hold.",
    ),
    KnownAttribute(
        "fallback_retry_target",
        _GRAPH_NODE,
        _TEXT,
        "",
        "The node to go to when `retry_target` is missing.",
    ),
    KnownAttribute(
        "on_failure",
        _GRAPH_NODE,
        _TEXT,
        "",
        "With `continue` a failed stage is stepped over by an unconditional edge.",
        choices=("continue",),
    ),
    KnownAttribute(
        "require_verdict",
        _GRAPH_NODE,
        _TRUTH,
        "true for runs with a suite",
        "Whether a goal gate needs a reported outcome; prose is none.",
    ),
    KnownAttribute(
        "retry_policy",
        _GRAPH_NODE,
        _TEXT,
        "standard",
        "How long to wait between attempts; on the graph, for nodes that do not say.",
        choices=("none", "standard", "aggressive", "linear", "patient"),
    ),
    KnownAttribute(
        "tool_hooks.pre",
        _GRAPH_NODE,
        _TEXT,
        "",
        "A shell command before each tool call; another exit code than 0 skips the call.",
    ),
    KnownAttribute(
        "tool_hooks.post", _GRAPH_NODE, _TEXT, "", "A shell command after each tool call."
    ),
    # The node.
    KnownAttribute(
        "shape", _NODE, _TEXT, "box", "The drawn shape, which says what handles the node."
    ),
    KnownAttribute(
        "type", _NODE, _TEXT, "by the shape", "What handles the node, whatever its shape."
    ),
    KnownAttribute(
        "prompt",
        _NODE,
        _TEXT,
        "",
        "The instruction for the stage; `$goal` in it is the graph's goal. The label when empty.",
    ),
    KnownAttribute(
        "max_retries",
        _NODE,
        _WHOLE,
        "the graph's `default_max_retries`",
        "How many attempts there are beyond the first.",
        minimum=0,
    ),
    KnownAttribute(
        "retry_from",
        _NODE,
        _TEXT,
        "start",
        "Which tree a new attempt starts from: the one at the visit's start, or the one left.",
        choices=("start", "left"),
    ),
    KnownAttribute(
        "goal_gate",
        _NODE,
        _TRUTH,
        "false",
        "Whether the exit stays shut until this stage succeeds.",
    ),
    KnownAttribute(
        "class", _NODE, _TEXT, "", "Names for the model stylesheet, between commas or blanks."
    ),
    KnownAttribute("timeout", _NODE, _TIME, "none", "How long an attempt may take.", minimum=1),
    KnownAttribute(
        "llm_model",
        _GRAPH_NODE,
        _TEXT,
        "by the stylesheet",
        "The model that does the stage; on the graph, where neither node nor stylesheet says.",
    ),
    KnownAttribute(
        "llm_provider", _GRAPH_NODE, _TEXT, "by the model", "The provider that serves the model."
    ),
    KnownAttribute(
        "model", _GRAPH_NODE, _TEXT, "", "Another name of `llm_model`.", alias_of="llm_model"
    ),
    KnownAttribute(
        "provider",
        _GRAPH_NODE,
        _TEXT,
        "",
        "Another name of `llm_provider`.",
        alias_of="llm_provider",
    ),
    KnownAttribute(
        "reasoning_effort",
        _GRAPH_NODE,
        _TEXT,
        "high",
        "How long the model thinks.",
        choices=("low", "medium", "high"),
    ),
    KnownAttribute(
        "auto_status",
        _NODE,
        _TRUTH,
        "false",
        "Whether a stage that reports no status counts as a success.",
    ),
    KnownAttribute(
        "allow_partial",
        _NODE,
        _TRUTH,
        "false",
        "Whether a stage out of attempts is a partial success instead of a failure.",
    ),
    KnownAttribute(
        "max_visits",
        _NODE,
        _WHOLE,
        "the graph's `max_node_visits`",
        "How often the walk may come to this node.",
        minimum=1,
    ),
    KnownAttribute(
        "if_interrupted",
        _NODE,
        _TEXT,
        "repeat",
        "What a resume does with a stage that was in flight.",
        choices=("repeat", "fail", "ask"),
    ),
    KnownAttribute("backend", _NODE, _TEXT, "by the run", "The backend that does the stage."),
    KnownAttribute("agent", _NODE, _TEXT, "by the run", "The agent that does the stage."),
    KnownAttribute("tool_command", _NODE, _TEXT, "", "The shell command of a tool stage."),
    KnownAttribute(
        "script", _NODE, _TEXT, "", "Another name of `tool_command`.", alias_of="tool_command"
    ),
    KnownAttribute(
        "human.default_choice",
        _NODE,
        _TEXT,
        "",
        "The node to go to when nobody answered a human gate in time.",
    ),
    KnownAttribute(
        "join_policy",
        _NODE,
        _TEXT,
        "wait_all",
        "When a parallel node is done.",
        choices=("wait_all", "first_success", "k_of_n", "quorum"),
    ),
    KnownAttribute(
        "k",
        _NODE,
        _WHOLE,
        "",
        "How many branches have to succeed under `join_policy=k_of_n`.",
        minimum=1,
    ),
    KnownAttribute(
        "isolation",
        _NODE,
        _TEXT,
        "a copy of its own for each branch",
        "With `shared` the branches of a parallel node work in one and the same workspace.",
        choices=("shared",),
    ),
    KnownAttribute(
        "merge",
        _NODE,
        _TEXT,
        "winner",
        "Whose files a fan-in goes on with: those of the best branch, of all, or of none.",
        choices=("winner", "all", "none"),
    ),
    KnownAttribute(
        "max_parallel",
        _NODE,
        _WHOLE,
        "4",
        "How many branches of a parallel node run at a time.",
        minimum=1,
    ),
    KnownAttribute(
        "manager.poll_interval",
        _NODE,
        _TIME,
        "45s",
        "How often a manager looks at its child.",
        minimum=1,
    ),
    KnownAttribute(
        "manager.max_cycles",
        _NODE,
        _WHOLE,
        "1000",
        "How often a manager looks before it gives up.",
        minimum=1,
    ),
    KnownAttribute(
        "manager.stop_condition", _NODE, _TEXT, "", "The condition that ends a manager's loop."
    ),
    KnownAttribute(
        "manager.actions",
        _NODE,
        _TEXT,
        "observe,wait",
        "What a manager does in each cycle: observe, steer, wait.",
    ),
    KnownAttribute(
        "stack.child_autostart", _NODE, _TRUTH, "true", "Whether a manager starts its child itself."
    ),
    KnownAttribute(
        "file", _NODE, _TEXT, "", "The pipeline that takes the place of a node of type `import`."
    ),
    KnownAttribute(
        "duration", _NODE, _TIME, "", "How long a node of type `wait` waits.", minimum=0
    ),
    KnownAttribute(
        "until", _NODE, _TEXT, "", "The time that a node of type `wait` waits for instead."
    ),
    # Node and edge.
    KnownAttribute(
        "fidelity",
        _NODE_EDGE,
        _TEXT,
        "the graph's `default_fidelity`",
        "How much context the stage carries over; on an edge, the stage it leads to.",
    ),
    KnownAttribute(
        "thread_id",
        (Place.GRAPH, Place.NODE, Place.EDGE),
        _TEXT,
        "derived",
        "Which session is gone on with under `full` fidelity.",
    ),
    # The edge.
    KnownAttribute(
        "condition", _EDGE, _TEXT, "", "When the edge may be taken, such as `outcome=success`."
    ),
    KnownAttribute(
        "weight", _EDGE, _WHOLE, "0", "How strongly the edge is wanted among equals; higher wins."
    ),
    KnownAttribute(
        "loop_restart",
        _EDGE,
        _TRUTH,
        "false",
        "Whether the edge ends the run and starts it anew in a fresh folder.",
    ),
)

ATTRIBUTES: Mapping[str, KnownAttribute] = {row.name: row for row in _ROWS}
"""Every known attribute by its name."""
