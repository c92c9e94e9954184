from attractor.llm import (
    FinishReason,
    GenerateResult,
    Message,
    Response,
    StepResult,
    ToolResult,
    Usage,
    Warning,
)


def step(text: str, usage: Usage, *results: ToolResult) -> StepResult:
    message, reason = Message.assistant(text), FinishReason("stop", "end")
    response = Response("1", "m", "openai", message, reason, usage, warnings=[Warning("odd")])
    return StepResult(response, results)


def test_a_result_is_its_last_step_and_the_sum_of_all() -> None:
    first = step("one", Usage(1, 2, reasoning_tokens=3), ToolResult("a", "b"))
    last = step("two", Usage(10, 20))
    result = GenerateResult([first, last])
    assert (result.text, result.reasoning, result.usage) == ("two", None, Usage(10, 20))
    assert (result.tool_calls, result.tool_results) == ([], ())
    assert result.finish_reason == FinishReason("stop", "end")
    assert result.total_usage == Usage(11, 22, reasoning_tokens=3)
    assert (result.response, result.output) == (last.response, None)
    assert (first.text, first.tool_results) == ("one", (ToolResult("a", "b"),))
    assert first.warnings == [Warning("odd")]
