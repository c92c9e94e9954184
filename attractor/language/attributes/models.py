"""Who does a stage, and how much of what came before it is told."""

from enum import StrEnum

from attractor.language.attributes.known import (
    ANYWHERE,
    GRAPH,
    GRAPH_AND_NODE,
    NODE,
    NODE_AND_EDGE,
    text,
)


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
