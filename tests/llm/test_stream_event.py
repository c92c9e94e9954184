from attractor.llm import StreamEvent, StreamEventType

NAMES = """
STREAM_START TEXT_START TEXT_DELTA TEXT_END REASONING_START REASONING_DELTA REASONING_END
TOOL_CALL_START TOOL_CALL_DELTA TOOL_CALL_END FINISH ERROR PROVIDER_EVENT
"""


def test_the_types_are_those_of_the_specification_and_their_values_are_plain_words() -> None:
    assert [one.name for one in StreamEventType] == NAMES.split()
    assert all(one.value == one.name.lower() for one in StreamEventType)


def test_an_event_has_nothing_but_what_it_tells() -> None:
    event = StreamEvent(StreamEventType.TEXT_DELTA, delta="a", text_id="0")
    filled = {name for name, value in vars(event).items() if value is not None}
    assert filled == {"type", "delta", "text_id"}
    assert StreamEvent("step_finish").type == "step_finish"
