"""What is done when a stage fails, and what counts as a success."""

from attractor.language.attributes.known import GRAPH, GRAPH_AND_NODE, NODE, text, truth, whole

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
