"""The limits and switches of a session (§2.2)."""

from collections.abc import Mapping
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.llm.retry_policy import RetryPolicy

_COUNTS = ("max_turns", "max_tool_rounds_per_input")
_MEASURES = ("default_command_timeout_ms", "max_command_timeout_ms", "loop_detection_window")


@dataclass(frozen=True, kw_only=True)
class SessionConfig:
    """What a session keeps to; 0 turns or rounds means without limit."""

    max_turns: int = 0
    max_tool_rounds_per_input: int = 0
    default_command_timeout_ms: int = 10_000
    max_command_timeout_ms: int = 600_000
    reasoning_effort: str | None = None
    tool_output_limits: Mapping[str, int] = field(default_factory=dict[str, int])
    tool_line_limits: Mapping[str, int] = field(default_factory=dict[str, int])
    enable_loop_detection: bool = True
    loop_detection_window: int = 10
    retry_policy: RetryPolicy = RetryPolicy()

    def __post_init__(self) -> None:
        negative = [name for name in _COUNTS if getattr(self, name) < 0]
        too_small = [name for name in _MEASURES if getattr(self, name) < 1]
        for name in [*negative, *too_small]:
            raise UsageError(
                f"a session cannot have {name}={getattr(self, name)}",
                hint="0 means without limit" if name in negative else "it is 1 at least",
            )
        for limits in (self.tool_output_limits, self.tool_line_limits):
            for tool, limit in limits.items():
                if limit < 1:
                    raise UsageError(
                        f"the output of {tool} cannot be limited to {limit}",
                        hint="a limit is 1 at least",
                    )
