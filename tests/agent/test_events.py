from collections.abc import Mapping

import pytest

from attractor.agent.events import SessionConfig
from attractor.base.errors import UsageError
from tests.tables import table


def test_the_defaults_are_those_of_the_specification() -> None:
    config = SessionConfig()
    assert (config.max_turns, config.max_tool_rounds_per_input) == (0, 0)
    assert config.default_command_timeout_ms == 10_000
    assert config.max_command_timeout_ms == 600_000
    assert config.reasoning_effort is None
    assert (config.enable_loop_detection, config.loop_detection_window) == (True, 10)


@table(
    "wrong",
    [
        {"max_turns": -1},
        {"max_tool_rounds_per_input": -1},
        {"default_command_timeout_ms": 0},
        {"max_command_timeout_ms": 0},
        {"loop_detection_window": 0},
    ],
)
def test_an_impossible_number_is_refused(wrong: Mapping[str, int]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SessionConfig(**dict(wrong))  # pyright: ignore[reportArgumentType]


def test_an_output_cannot_be_limited_to_nothing() -> None:
    with pytest.raises(UsageError, match="the output of shell"):
        SessionConfig(tool_output_limits={"shell": 0})
    with pytest.raises(UsageError, match="the output of grep"):
        SessionConfig(tool_line_limits={"grep": -1})
