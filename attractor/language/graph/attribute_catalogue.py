"""The attributes that Attractor and Graphviz know: owner, type, default and description."""

from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from typing import NamedTuple

_NAMES = """
_background area arrowhead arrowsize arrowtail bb beautify bgcolor center charset cluster
clusterrank color colorscheme comment compound concentrate constraint Damping decorate defaultdist
dim dimen dir diredgeconstraints distortion dpi edgehref edgetarget edgetooltip edgeURL epsilon
esep fillcolor fixedsize fontcolor fontname fontnames fontpath fontsize forcelabels gradientangle
group head_lp headclip headhref headlabel headport headtarget headtooltip headURL height href id
image imagepath imagepos imagescale inputscale K label_scheme labelangle labeldistance labelfloat
labelfontcolor labelfontname labelfontsize labelhref labeljust labelloc labeltarget labeltooltip
labelURL landscape layer layerlistsep layers layerselect layersep layout len levels levelsgap
lhead lheight linelength lp ltail lwidth margin maxiter mclimit mindist minlen mosek newrank
nodesep nojustify normalize notranslate nslimit nslimit1 oneblock ordering orientation outputorder
overlap overlap_scaling overlap_shrink pack packmode pad page pagedir pencolor penwidth
peripheries pin pos quadtree quantum radius rank rankdir ranksep ratio rects regular remincross
repulsiveforce resolution root rotate rotation samehead sametail samplepoints scale searchsize sep
shapefile showboxes sides size skew smoothing sortv splines start style stylesheet tail_lp
tailclip tailhref taillabel tailport tailtarget tailtooltip tailURL target TBbalance tooltip
truecolor URL vertices viewport voro_margin width xdotversion xlabel xlp z
"""

GRAPHVIZ_ATTRIBUTES = frozenset(_NAMES.split())
"""Their names, without those that mean something to Attractor, or seem to."""


class AttributeOwner(StrEnum):
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
    MOMENT = "moment"
    CONTEXT_KEY = "context key"


class KnownAttribute(NamedTuple):
    """One attribute; without choices every value of its type will do.

    The least value of a duration counts milliseconds.
    """

    name: str
    places: tuple[AttributeOwner, ...]
    sentence: str
    type: AttributeType
    default: str = ""
    choices: tuple[str, ...] = ()
    alias_of: str = ""
    minimum: int | None = None


GRAPH, NODE, EDGE = (AttributeOwner.GRAPH,), (AttributeOwner.NODE,), (AttributeOwner.EDGE,)
GRAPH_AND_NODE, NODE_AND_EDGE = (
    (AttributeOwner.GRAPH, AttributeOwner.NODE),
    (AttributeOwner.NODE, AttributeOwner.EDGE),
)
ANYWHERE = (AttributeOwner.GRAPH, AttributeOwner.NODE, AttributeOwner.EDGE)

text = partial(KnownAttribute, type=AttributeType.STRING)
"""Makes a row of an attribute that holds words."""

whole = partial(KnownAttribute, type=AttributeType.INTEGER)
"""Makes a row of an attribute that holds a whole number."""

number = partial(KnownAttribute, type=AttributeType.NUMBER)
"""Makes a row of an attribute that holds a number."""

truth = partial(KnownAttribute, type=AttributeType.BOOLEAN)
"""Makes a row of an attribute that is true or false."""

time = partial(KnownAttribute, type=AttributeType.DURATION)
"""Makes a row of an attribute that holds a duration."""

moment = partial(KnownAttribute, type=AttributeType.MOMENT)
"""Makes a row of an attribute that holds a date with a time, or a time of day."""

context_key = partial(KnownAttribute, type=AttributeType.CONTEXT_KEY)
"""Makes a row of an attribute that says under which key of the context something stands."""

COMMANDS = frozenset({"tool_command", "tool_hooks.pre", "tool_hooks.post"})
"""The attributes that hold commands for a shell."""

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

STYLE_PROPERTIES: Mapping[str, str] = {"model": "llm_model", "provider": "llm_provider"}
"""Properties in model stylesheets."""

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
