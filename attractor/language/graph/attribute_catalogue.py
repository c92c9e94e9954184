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
"""Attributes of Graphviz, except for attributes with a meaning in Attractor."""


class AttributeOwner(StrEnum):
    """The owner of an attribute."""

    GRAPH = "graph"
    NODE = "node"
    EDGE = "edge"


class AttributeType(StrEnum):
    """The type of an attribute's value."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DURATION = "duration"
    MOMENT = "moment"
    CONTEXT_KEY = "context key"


class KnownAttribute(NamedTuple):
    """One known attribute; without `choices`, all values of the type are valid.

    `minimum` of a duration is in milliseconds.
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
"""Create the row of a text attribute."""

whole = partial(KnownAttribute, type=AttributeType.INTEGER)
"""Create the row of an integer attribute."""

truth = partial(KnownAttribute, type=AttributeType.BOOLEAN)
"""Create the row of a boolean attribute."""

time = partial(KnownAttribute, type=AttributeType.DURATION)
"""Create the row of a duration attribute."""

COMMANDS = frozenset({"tool_command", "receipt", "tool_hooks.pre", "tool_hooks.post"})
"""The attributes with shell commands."""

RETRY_TARGETS = ("retry_target", "fallback_retry_target")
"""The attributes with the next node after a failure."""

NAMING_KEYS = frozenset({*RETRY_TARGETS, "human.default_choice"})
"""The attributes whose value is the id of a node."""

COLORS = frozenset({"bgcolor", "color", "fillcolor", "fontcolor"})
"""The attributes that contain colours."""

MODELS = (
    text("model_stylesheet", GRAPH, "Rules that choose model, provider and effort of nodes."),
    text(
        "llm_model",
        GRAPH_AND_NODE,
        "Model of the stage; on the graph the default for nodes without a model.",
        default="by the stylesheet",
    ),
    text(
        "llm_provider",
        GRAPH_AND_NODE,
        "Provider of the model.",
        default="by the model",
    ),
    text("model", GRAPH_AND_NODE, "Alias of `llm_model`.", alias_of="llm_model"),
    text("provider", GRAPH_AND_NODE, "Alias of `llm_provider`.", alias_of="llm_provider"),
    text(
        "reasoning_effort",
        GRAPH_AND_NODE,
        "Reasoning effort of the model.",
        default="high",
        choices=("low", "medium", "high"),
    ),
    text("backend", NODE, "Backend that runs the stage.", default="by the run"),
    text(
        "agent",
        NODE,
        "Agent of the stage, such as `reviewer`: a role with its permissions, tools, limits and "
        "model.",
    ),
    text("default_fidelity", GRAPH, "Default fidelity of stages (default: `compact`)."),
    text(
        "fidelity",
        NODE_AND_EDGE,
        "How much context the stage receives; on an edge, the target stage of the edge.",
        default="the graph's `default_fidelity`",
    ),
    text(
        "thread_id",
        ANYWHERE,
        "Conversation that a stage with `full` fidelity continues.",
        default="derived",
    ),
)
DESCRIBING = (
    text(
        "label",
        ANYWHERE,
        "Caption; on an edge also the word by which an outcome can prefer the edge.",
        default="the id of the node",
    ),
    text("goal", GRAPH, "Goal of the pipeline: `$goal` in prompts, `graph.goal` in the context."),
    text(
        "inputs",
        GRAPH_AND_NODE,
        'Inputs of a run, such as `"ticket, branch=main, count:int=3, token:secret"`; on a '
        "node of type `pipeline` the inputs of that pipeline, such as "
        '`"ticket, branch=context.branch"`.',
    ),
    text(
        "outputs",
        GRAPH,
        "Outputs of a pipeline that another one runs, from its context, such as "
        '`"summary, count:int"`.',
    ),
    text(
        "requires",
        GRAPH,
        'Requirements that are checked before a run, such as `"git, node>=20, env:TOKEN"`.',
    ),
    text(
        "touches",
        GRAPH,
        'Files that runs are expected to change, as patterns such as `"src/api/**, docs/*.md"`; '
        "work in progress that declares the same files is warned of at the start of a run.",
    ),
    text("shape", NODE, "Shape of the node, which selects its handler.", default="box"),
    text("type", NODE, "Handler of the node; overrides the shape.", default="by the shape"),
    text(
        "prompt",
        NODE,
        "Instruction for the stage; `$goal` is the goal of the graph (default: the label).",
    ),
    text("class", NODE, "Classes for the model stylesheet, separated by commas or blanks."),
    text("tool_command", NODE, "Shell command of a tool stage."),
    text(
        "receipt",
        NODE,
        "Shell command that must end with 0 after an agent reported success; otherwise the stage "
        "fails.",
    ),
    text(
        "secrets",
        NODE,
        "Secret inputs, separated by commas, that the command of a tool stage gets as environment "
        "variables: `token` as `ATTRACTOR_INPUT_TOKEN`.",
    ),
    text("script", NODE, "Alias of `tool_command`.", alias_of="tool_command"),
    text(
        "tool_hooks.pre",
        GRAPH_AND_NODE,
        "Shell command before each tool call; an exit status other than 0 skips the call.",
    ),
    text("tool_hooks.post", GRAPH_AND_NODE, "Shell command after each tool call."),
    text(
        "file",
        NODE,
        "Pipeline file that replaces a node of type `import`, or that a node of type `pipeline` "
        "runs.",
    ),
    KnownAttribute(
        "items",
        NODE,
        "Context key of the list that a node of type `for_each` iterates over.",
        AttributeType.CONTEXT_KEY,
    ),
    text(
        "suite",
        NODE,
        "Suite whose train scenarios a node of type `scenarios` plays (default: the run's).",
    ),
    text("tags", NODE, "Tags of the train scenarios to play, separated by commas."),
    text("ids", NODE, "Ids of the train scenarios to play, separated by commas (default: all)."),
    time("duration", NODE, "Waiting time of a node of type `wait`.", minimum=0),
    KnownAttribute(
        "until",
        NODE,
        "Time until which a node of type `wait` waits: `2026-01-31T09:30:00Z`, or "
        "`09:30` (default time zone: UTC).",
        AttributeType.MOMENT,
    ),
)
FAILURES = (
    whole(
        "default_max_retries",
        GRAPH,
        "Retries of a node without `max_retries`.",
        default="0",
        minimum=0,
    ),
    whole(
        "default_max_retry",
        GRAPH,
        "Older alias of `default_max_retries`.",
        default="0",
        alias_of="default_max_retries",
    ),
    whole(
        "max_retries",
        NODE,
        "Attempts after the first one.",
        default="the graph's `default_max_retries`, else by `retry_policy`",
        minimum=0,
    ),
    text(
        "retry_policy",
        GRAPH_AND_NODE,
        "Waiting between attempts (without this attribute as `standard`). If neither `max_retries` "
        "nor `default_max_retries` is set, also the number of attempts: none 1, standard 5, "
        "aggressive 5, linear 3, patient 3. On a node, `none` also turns `default_max_retries` "
        "off. On the graph the default for all nodes.",
        default="derived",
        choices=("none", "standard", "aggressive", "linear", "patient"),
    ),
    text(
        "permissions",
        NODE,
        "What limits the tool calls of an agent: the sandbox alone, or also a person who is asked.",
        default="sandbox",
        choices=("sandbox", "ask"),
    ),
    text(
        "retry_from",
        NODE,
        "Files of a new attempt: the files at the start of the visit, or the files left by the "
        "last attempt.",
        default="start",
        choices=("start", "left"),
    ),
    text(
        "retry_target",
        GRAPH_AND_NODE,
        "Next node after a failure of the last attempt; on the graph, next node after the exit "
        "finds a failed goal gate.",
    ),
    text("fallback_retry_target", GRAPH_AND_NODE, "Next node if `retry_target` is missing."),
    text(
        "on_failure",
        GRAPH_AND_NODE,
        "With `continue`, an unconditional edge is taken after a failure.",
        choices=("continue",),
    ),
    whole(
        "max_same_failures",
        GRAPH_AND_NODE,
        "Number of identical failures of a stage in a row, over all attempts and visits, after "
        "which the run ends, or inside a branch only the branch; on the graph the default for all "
        "nodes.",
        default="none",
        minimum=1,
    ),
    truth(
        "goal_gate",
        NODE,
        "Whether the exit stays closed until this stage succeeds.",
        default="false",
    ),
    whole(
        "max_goal_gate_redirects",
        GRAPH,
        "How often the exit jumps to a retry target because a goal gate failed.",
        default="10",
        minimum=0,
    ),
    truth(
        "require_verdict",
        GRAPH_AND_NODE,
        "Whether a stage needs a reported outcome; on the graph the default for goal gates.",
        default="true for a goal gate of a coding agent, otherwise false",
    ),
    truth(
        "auto_status",
        NODE,
        "Whether a stage without a reported status succeeds.",
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
        "How resume treats a stage that was running.",
        default="repeat",
        choices=("repeat", "fail", "ask"),
    ),
)
LIMITS = (
    time("timeout", NODE, "Longest duration of an attempt.", default="none", minimum=1),
    time(
        "stall_timeout",
        GRAPH_AND_NODE,
        "Longest time without any sign of a running stage; on the graph the default for all "
        "nodes. `0s` means no limit.",
        default="none",
        minimum=0,
    ),
    whole(
        "max_visits",
        NODE,
        "Largest number of visits to this node.",
        default="the graph's `max_node_visits`",
        minimum=1,
    ),
    whole(
        "max_node_visits",
        GRAPH,
        "Largest number of visits to a node without `max_visits`. Without this attribute, stages "
        "that cost money (agents, models, child pipelines) are visited at most 10 times.",
        default="100",
        minimum=1,
    ),
    whole(
        "max_restarts",
        GRAPH,
        "Largest number of restarts by `loop_restart`.",
        default="5",
        minimum=0,
    ),
    KnownAttribute(
        "max_cost_usd",
        GRAPH,
        "Cost in US dollars at which a run stops; a stopped run can be resumed.",
        AttributeType.NUMBER,
        default="none",
        minimum=0,
    ),
    whole(
        "max_tokens",
        GRAPH,
        "Number of tokens at which a run stops; a stopped run can be resumed.",
        default="none",
        minimum=0,
    ),
    time(
        "max_duration",
        GRAPH,
        "Working time of stages and evaluations at which a run stops; it can be resumed.",
        default="none",
        minimum=1,
    ),
)
ROUTES = (
    text("condition", EDGE, "Condition of the edge, such as `outcome=success`."),
    whole("weight", EDGE, "Priority among edges that can be taken; the highest wins.", default="0"),
    truth(
        "loop_restart",
        EDGE,
        "Whether the edge ends the run and starts a new run in a new folder.",
        default="false",
    ),
    text("human.default_choice", NODE, "Next node after a timeout of a human gate."),
    text(
        "join_policy",
        NODE,
        "When a parallel node ends.",
        default="wait_all",
        choices=("wait_all", "all", "first_success", "k_of_n", "quorum"),
    ),
    whole(
        "k", NODE, "Number of branches that have to succeed with `join_policy=k_of_n`.", minimum=1
    ),
    text(
        "isolation",
        NODE,
        "With `shared`, the branches of a parallel node share one workspace.",
        default="a copy for each branch",
        choices=("shared",),
    ),
    text(
        "merge",
        NODE,
        "Files with which a fan-in continues: from the best branch, from all branches, or from "
        "none.",
        default="winner",
        choices=("winner", "all", "none"),
    ),
    whole(
        "max_parallel",
        NODE,
        "Largest number of branches that run at the same time.",
        default="4",
        minimum=1,
    ),
    time(
        "manager.poll_interval",
        NODE,
        "Interval at which a manager checks its child.",
        default="45s",
        minimum=1,
    ),
    time(
        "manager.steer_cooldown",
        NODE,
        "Shortest interval between two messages of a manager to its child.",
        default="the `manager.poll_interval`",
        minimum=0,
    ),
    whole(
        "manager.max_cycles",
        NODE,
        "Number of checks after which a manager gives up.",
        default="1000",
        minimum=1,
    ),
    text("manager.stop_condition", NODE, "Condition that ends the loop of a manager."),
    text(
        "manager.actions",
        NODE,
        "Actions of a manager in each cycle: observe, steer, wait.",
        default="observe,wait",
    ),
    text(
        "stack.child_dotfile",
        GRAPH_AND_NODE,
        "Pipeline that a manager loop supervises; on the graph for all manager loops.",
    ),
    text(
        "stack.child_workdir",
        GRAPH,
        "Working folder of the supervised run.",
        default="the folder of the run",
    ),
    truth("stack.child_autostart", NODE, "Whether a manager starts its child.", default="true"),
)

ATTRIBUTES: Mapping[str, KnownAttribute] = {
    row.name: row for row in (*DESCRIBING, *MODELS, *FAILURES, *LIMITS, *ROUTES)
}
"""All known attributes by name."""

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
    (AttributeOwner.NODE, "dot_file"): "file",
    (AttributeOwner.NODE, "join_k"): "k",
    (AttributeOwner.GRAPH, "default_max_retry"): "default_max_retries",
    (AttributeOwner.GRAPH, "context_fidelity_default"): "default_fidelity",
    (AttributeOwner.GRAPH, "default_thread_id"): "thread_id",
    (AttributeOwner.GRAPH, "max_pipeline_duration"): "max_duration",
}
"""Attributes of other tools, with their names in Attractor."""

STYLE_PROPERTIES: Mapping[str, str] = {"model": "llm_model", "provider": "llm_provider"}
"""Stylesheet properties of other tools."""

NO_ATTRIBUTE: Mapping[str, str] = {
    "agent_mode": "choose the backend of the run",
    "agent_tool": "choose the backend of the run",
    "child_graph": "set stack.child_dotfile on the node",
    "concurrent_id": "use shape=component, whose branches meet at shape=tripleoctagon",
    "context_thread_default": "set thread_id on the nodes",
    "default_command_timeout_ms": "set timeout on the nodes",
    "default_thread": "set thread_id on the nodes",
    "error_policy": "set join_policy: with all, the node fails if a branch failed",
    "escalation_models": "set one model with llm_model",
    "feedback_from": "let the stage write its feedback to a file, and name the file in the prompt",
    "freeform": "add an edge with a label for each choice",
    "language": "call the interpreter in tool_command",
    "loop_count": "draw the loop with edges and bound it with max_visits",
    "loop_id": "draw the loop with edges and bound it with max_visits",
    "loop_max": "draw the loop with edges and bound it with max_visits",
    "loop_restart_persist_keys": "name the values context.keep.NAME",
    "loop_restart_signature_limit": "bound the loop with max_visits",
    "loop_until_file": "check for the file in a tool node",
    "loop_until_file_contains": "check the content of the file in a tool node",
    "loop_while_outcome": "draw the loop with a condition on an edge",
    "max_agent_turns": "set timeout on the stage",
    "max_command_timeout_ms": "set timeout on the nodes",
    "max_tokens": "the limit of the model applies",
    "must_write": "add a tool node behind the stage: "
    'written [shape=parallelogram, tool_command="test -s FILE"]',
    "outputs": "check the files in a goal gate",
    "parse_json": "print the value alone, and compare context.tool.output",
    "project_memory": "agents find the instructions of the project themselves",
    "quorum_fraction": "a quorum is more than half",
    "requires": "check the files in a tool node before the stage",
    "response_schema": "ask for the format in the prompt, and check it in a tool node",
    "retries_before_escalation": "set max_retries",
    "runs_on": 'draw an edge with condition="outcome=fail" to this node',
    "selection": "set weight on the edges",
    "speed": "choose a model with llm_model",
    "stack.child_dot_source": "move the child to a file and set stack.child_dotfile on the node",
    "stack.child_workflow": "set stack.child_dotfile on the node",
    "sub_pipeline": 'write type="import" with file="..."',
    "success_condition": "set manager.stop_condition",
    "system_prompt": "add it to the prompt",
    "tool_env": "declare the value in inputs: a command gets it as $ATTRACTOR_INPUT_NAME",
}
"""Attributes of other tools without an equivalent, each with an alternative."""
