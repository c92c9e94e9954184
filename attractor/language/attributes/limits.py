"""How long, how often and at what cost."""

from attractor.language.attributes.known import GRAPH, GRAPH_AND_NODE, NODE, number, time, whole

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
