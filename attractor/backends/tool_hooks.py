"""The hooks around the tool calls of a stage: those of its node, else those of the graph."""

from attractor.agent.tool_hooks import ToolHooks
from attractor.engine.interfaces import Stage

PRE, POST = "tool_hooks.pre", "tool_hooks.post"


def hooks_of(stage: Stage) -> ToolHooks:
    """Return the hooks of a stage, as the pipeline has them: nothing in a workspace adds one."""
    about = {"node": stage.node.id, "visit": stage.visit, "attempt": stage.attempt}
    return ToolHooks(pre=_command(stage, PRE), post=_command(stage, POST), about=about)


def _command(stage: Stage, key: str) -> str:
    """Return a hook's command; an empty one on the node takes the graph's away."""
    own = stage.node.attributes.value(key)
    return str(own) if own is not None else stage.graph.attributes.text(key)
