"""What a pipeline and its parts are, and what a stage does."""

from attractor.language.attributes.known import (
    ANYWHERE,
    GRAPH,
    GRAPH_AND_NODE,
    NODE,
    context_key,
    moment,
    text,
    time,
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
