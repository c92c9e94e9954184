"""What every attribute means to Attractor (attractor-spec 2.5-2.7, Appendix A).

Who does a stage, and how much of what came before it is told.

What a pipeline and its parts are, and what a stage does.

What is done when a stage fails, and what counts as a success.

How long, how often and at what cost.

Which way a run takes: edges, gates, branches and children.

Every attribute that means something to Attractor, in one table.

Parsing, linting, the reference and editors read it. What Graphviz alone reads is in `graphviz.py`.

How much of what came before it a stage is told: the words of the pipeline, resolved.
"""

from collections.abc import Mapping
from enum import StrEnum

from attractor.language.graph.graph import (
    ANYWHERE,
    EDGE,
    GRAPH,
    GRAPH_AND_NODE,
    NODE,
    NODE_AND_EDGE,
    Graph,
    Node,
    context_key,
    moment,
    number,
    text,
    time,
    truth,
    whole,
)
from attractor.language.graph.graph import AttributeType as AttributeType
from attractor.language.graph.graph import KnownAttribute as KnownAttribute


class Fidelity(StrEnum):
    """How much of what came before a stage can be told (attractor-spec 5.4)."""

    FULL = "full"
    TRUNCATE = "truncate"
    COMPACT = "compact"
    SUMMARY_LOW = "summary:low"
    SUMMARY_MEDIUM = "summary:medium"
    SUMMARY_HIGH = "summary:high"


FIDELITIES = tuple(Fidelity)
"""Every fidelity there is."""

DEFAULT_FIDELITY = Fidelity.COMPACT
"""The fidelity of a stage of which nothing says how much it is told."""

MODELS = (
    text("model_stylesheet", GRAPH, "Rules that give nodes their model, provider and effort."),
    text(
        "llm_model",
        GRAPH_AND_NODE,
        "The model that does the stage; on the graph, where neither node nor stylesheet says.",
        default="by the stylesheet",
    ),
    text(
        "llm_provider",
        GRAPH_AND_NODE,
        "The provider that serves the model.",
        default="by the model",
    ),
    text("model", GRAPH_AND_NODE, "Another name of `llm_model`.", alias_of="llm_model"),
    text("provider", GRAPH_AND_NODE, "Another name of `llm_provider`.", alias_of="llm_provider"),
    text(
        "reasoning_effort",
        GRAPH_AND_NODE,
        "How long the model thinks.",
        default="high",
        choices=("low", "medium", "high"),
    ),
    text("backend", NODE, "The backend that does the stage.", default="by the run"),
    text("agent", NODE, "The agent that does the stage; it cannot be chosen by name yet."),
    text("default_fidelity", GRAPH, "How much context stages carry over; else `compact`."),
    text(
        "fidelity",
        NODE_AND_EDGE,
        "How much context the stage carries over; on an edge, the stage it leads to.",
        default="the graph's `default_fidelity`",
    ),
    text(
        "thread_id",
        ANYWHERE,
        "Which conversation is gone on with under `full` fidelity.",
        default="derived",
    ),
)


DESCRIBING = (
    text(
        "label",
        ANYWHERE,
        "What people read; on an edge also the word by which an outcome can prefer it.",
        default="a node's id",
    ),
    text(
        "goal", GRAPH, "What the pipeline is for; `$goal` in prompts, `graph.goal` in the context."
    ),
    text(
        "inputs",
        GRAPH_AND_NODE,
        'What a run is given, such as `"ticket, branch=main, count:int=3, token:secret"`; on a '
        "node of type `pipeline` what that pipeline is given, such as "
        '`"ticket, branch=context.branch"`.',
    ),
    text(
        "outputs",
        GRAPH,
        "What a pipeline gives back to the one that runs it, out of its context, such as "
        '`"summary, count:int"`.',
    ),
    text(
        "requires",
        GRAPH,
        'What has to be there before a run begins, such as `"git, node>=20, env:TOKEN"`.',
    ),
    text("shape", NODE, "The drawn shape, which says what handles the node.", default="box"),
    text("type", NODE, "What handles the node, whatever its shape.", default="by the shape"),
    text(
        "prompt",
        NODE,
        "The instruction for the stage; `$goal` in it is the graph's goal. The label when empty.",
    ),
    text("class", NODE, "Names for the model stylesheet, between commas or blanks."),
    text("tool_command", NODE, "The shell command of a tool stage."),
    text(
        "secrets",
        NODE,
        "The secret inputs that the command of a tool stage gets as variables, between commas: "
        "`token` as `ATTRACTOR_INPUT_TOKEN`.",
    ),
    text("script", NODE, "Another name of `tool_command`.", alias_of="tool_command"),
    text(
        "tool_hooks.pre",
        GRAPH_AND_NODE,
        "A shell command before each tool call; another exit code than 0 skips the call.",
    ),
    text("tool_hooks.post", GRAPH_AND_NODE, "A shell command after each tool call."),
    text(
        "file",
        NODE,
        "The pipeline that takes the place of a node of type `import`, or that a node of type "
        "`pipeline` runs.",
    ),
    context_key(
        "items", NODE, "Where in the context the list is that a node of type `for_each` goes over."
    ),
    time("duration", NODE, "How long a node of type `wait` waits.", minimum=0),
    moment(
        "until",
        NODE,
        "The moment that a node of type `wait` waits for instead: `2026-01-31T09:30:00Z`, or "
        "`09:30`, in UTC where nothing else is said.",
    ),
)


FAILURES = (
    whole(
        "default_max_retries",
        GRAPH,
        "The additional attempts of a node without `max_retries`.",
        default="0",
        minimum=0,
    ),
    whole(
        "default_max_retry",
        GRAPH,
        "The older name of `default_max_retries`.",
        default="0",
        alias_of="default_max_retries",
    ),
    whole(
        "max_retries",
        NODE,
        "How many attempts there are beyond the first.",
        default="the graph's `default_max_retries`",
        minimum=0,
    ),
    text(
        "retry_policy",
        GRAPH_AND_NODE,
        "How long to wait between attempts; on the graph, for nodes that do not say.",
        default="standard",
        choices=("none", "standard", "aggressive", "linear", "patient"),
    ),
    text(
        "retry_from",
        NODE,
        "Which tree a new attempt starts from: the one at the visit's start, or the one left.",
        default="start",
        choices=("start", "left"),
    ),
    text(
        "retry_target",
        GRAPH_AND_NODE,
        "The node to go to when this one failed and has no attempt left; on the graph, when the "
        "exit finds a goal gate that does not hold.",
    ),
    text(
        "fallback_retry_target", GRAPH_AND_NODE, "The node to go to when `retry_target` is missing."
    ),
    text(
        "on_failure",
        GRAPH_AND_NODE,
        "With `continue` a failed stage is stepped over by an unconditional edge.",
        choices=("continue",),
    ),
    whole(
        "max_same_failures",
        GRAPH_AND_NODE,
        "How often in a row a stage may fail in the same way before the run ends, in attempts and "
        "visits together; on the graph, for nodes that do not say.",
        default="none",
        minimum=1,
    ),
    truth(
        "goal_gate", NODE, "Whether the exit stays shut until this stage succeeds.", default="false"
    ),
    whole(
        "max_goal_gate_redirects",
        GRAPH,
        "How often the exit sends the walk back because a goal gate does not hold.",
        default="10",
        minimum=0,
    ),
    truth(
        "require_verdict",
        GRAPH_AND_NODE,
        "Whether a goal gate needs a reported outcome; prose is none.",
        default="true for runs with a suite",
    ),
    truth(
        "auto_status",
        NODE,
        "Whether a stage that reports no status counts as a success.",
        default="false",
    ),
    truth(
        "allow_partial",
        NODE,
        "Whether a stage out of attempts is a partial success instead of a failure.",
        default="false",
    ),
    text(
        "if_interrupted",
        NODE,
        "What a resume does with a stage that was in flight.",
        default="repeat",
        choices=("repeat", "fail", "ask"),
    ),
)


LIMITS = (
    time("timeout", NODE, "How long an attempt may take.", default="none", minimum=1),
    time(
        "stall_timeout",
        GRAPH_AND_NODE,
        "How long nothing may be heard of a stage at work; on the graph, for nodes that do not "
        "say. `0s` is for ever.",
        default="none",
        minimum=0,
    ),
    whole(
        "max_visits",
        NODE,
        "How often the walk may come to this node.",
        default="the graph's `max_node_visits`",
        minimum=1,
    ),
    whole(
        "max_node_visits",
        GRAPH,
        "The visits that a node without `max_visits` may have.",
        default="100",
        minimum=1,
    ),
    whole(
        "max_restarts",
        GRAPH,
        "How often `loop_restart` may start the run anew.",
        default="5",
        minimum=0,
    ),
    number(
        "max_cost_usd",
        GRAPH,
        "How much a run may cost, in US dollars, before it stops and can be resumed.",
        default="none",
        minimum=0,
    ),
    whole(
        "max_tokens",
        GRAPH,
        "How many tokens a run may use before it stops and can be resumed.",
        default="none",
        minimum=0,
    ),
    time(
        "max_duration",
        GRAPH,
        "How long stages may be at work before the run stops and can be resumed.",
        default="none",
        minimum=1,
    ),
)


ROUTES = (
    text("condition", EDGE, "When the edge may be taken, such as `outcome=success`."),
    whole(
        "weight", EDGE, "How strongly the edge is wanted among equals; higher wins.", default="0"
    ),
    truth(
        "loop_restart",
        EDGE,
        "Whether the edge ends the run and starts it anew in a fresh folder.",
        default="false",
    ),
    text(
        "human.default_choice", NODE, "The node to go to when nobody answered a human gate in time."
    ),
    text(
        "join_policy",
        NODE,
        "When a parallel node is done.",
        default="wait_all",
        choices=("wait_all", "first_success", "k_of_n", "quorum"),
    ),
    whole("k", NODE, "How many branches have to succeed under `join_policy=k_of_n`.", minimum=1),
    text(
        "isolation",
        NODE,
        "With `shared` the branches of a parallel node work in one and the same workspace.",
        default="a copy of its own for each branch",
        choices=("shared",),
    ),
    text(
        "merge",
        NODE,
        "Whose files a fan-in goes on with: those of the best branch, of all, or of none.",
        default="winner",
        choices=("winner", "all", "none"),
    ),
    whole(
        "max_parallel",
        NODE,
        "How many branches of a parallel node run at a time.",
        default="4",
        minimum=1,
    ),
    time(
        "manager.poll_interval",
        NODE,
        "How often a manager looks at its child.",
        default="45s",
        minimum=1,
    ),
    time(
        "manager.steer_cooldown",
        NODE,
        "How long a manager says nothing to its child after it has said something.",
        default="the `manager.poll_interval`",
        minimum=0,
    ),
    whole(
        "manager.max_cycles",
        NODE,
        "How often a manager looks before it gives up.",
        default="1000",
        minimum=1,
    ),
    text("manager.stop_condition", NODE, "The condition that ends a manager's loop."),
    text(
        "manager.actions",
        NODE,
        "What a manager does in each cycle: observe, steer, wait.",
        default="observe,wait",
    ),
    text("stack.child_dotfile", GRAPH, "The pipeline that a manager loop supervises."),
    text(
        "stack.child_workdir",
        GRAPH,
        "The working folder of the supervised run.",
        default="the run's folder",
    ),
    truth(
        "stack.child_autostart", NODE, "Whether a manager starts its child itself.", default="true"
    ),
)


ATTRIBUTES: Mapping[str, KnownAttribute] = {
    row.name: row for row in (*DESCRIBING, *MODELS, *FAILURES, *LIMITS, *ROUTES)
}
"""Every known attribute by its name."""


def resolve_fidelity(graph: Graph, node: Node | None, of_edge: str = "") -> Fidelity:
    """Return the fidelity of a stage: by its edge, its node, its graph (attractor-spec 5.4).

    A word that is none of the fidelities stands for the default, as `fidelity_valid` tells.
    """
    of_node = node.attributes.text("fidelity") if node else ""
    word = of_edge or of_node or graph.attributes.text("default_fidelity")
    return Fidelity(word) if word in FIDELITIES else DEFAULT_FIDELITY
