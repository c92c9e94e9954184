"""Which way a run takes: edges, gates, branches and children."""

from attractor.language.attributes.known import EDGE, GRAPH, NODE, text, time, truth, whole

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
