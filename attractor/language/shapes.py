"""Which handler a node's shape stands for (attractor-spec 2.8)."""

from collections.abc import Mapping

DEFAULT_SHAPE = "box"
DEFAULT_TYPE = "codergen"

TYPE_OF_SHAPE: Mapping[str, str] = {
    "Mdiamond": "start",
    "Msquare": "exit",
    "box": "codergen",
    "hexagon": "wait.human",
    "diamond": "conditional",
    "component": "parallel",
    "tripleoctagon": "parallel.fan_in",
    "parallelogram": "tool",
    "house": "stack.manager_loop",
}
