"""What came of generating: the answer of every step, and the last one's as the result (4.3)."""

from collections.abc import Sequence
from functools import reduce
from operator import add

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.llm.response import FinishReason, Response, Usage, Warning
from attractor.llm.tools import ToolCall, ToolResult


@dataclass(frozen=True)
class StepResult:
    """One call to the model, and what came of the tools it called."""

    response: Response
    tool_results: Sequence[ToolResult] = ()

    @property
    def text(self) -> str:
        """The text of the answer."""
        return self.response.text

    @property
    def reasoning(self) -> str | None:
        """What the model thought, where it can be read."""
        return self.response.reasoning

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        """The tools the model called, in order."""
        return self.response.tool_calls

    @property
    def finish_reason(self) -> FinishReason:
        """Why the model stopped."""
        return self.response.finish_reason

    @property
    def usage(self) -> Usage:
        """The tokens of this call."""
        return self.response.usage

    @property
    def warnings(self) -> Sequence[Warning]:
        """What was not quite as asked, and no error."""
        return self.response.warnings


@dataclass(frozen=True)
class GenerateResult:
    """All steps; what is read here is the last one's, but for `total_usage`."""

    steps: Sequence[StepResult]
    output: Json = None

    @property
    def response(self) -> Response:
        """The last answer."""
        return self.steps[-1].response

    @property
    def text(self) -> str:
        """The text of the last answer."""
        return self.response.text

    @property
    def reasoning(self) -> str | None:
        """What the model thought before its last answer, where it can be read."""
        return self.response.reasoning

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        """The tools called last, which nobody answered or which ended the loop."""
        return self.response.tool_calls

    @property
    def tool_results(self) -> Sequence[ToolResult]:
        """What came of the tools called last, as far as they were executed."""
        return self.steps[-1].tool_results

    @property
    def finish_reason(self) -> FinishReason:
        """Why the model stopped at last."""
        return self.response.finish_reason

    @property
    def usage(self) -> Usage:
        """The tokens of the last call."""
        return self.response.usage

    @property
    def total_usage(self) -> Usage:
        """The tokens of all calls."""
        return reduce(add, (step.usage for step in self.steps))
