"""How agents ask about a tool call before they make it, and go on after a wait for the answer."""

from attractor.agent.tool_calls.hooks import Permit
from attractor.base.json import JsonObject
from attractor.engine.questions.call_rules import AskedCall
from attractor.engine.seams import Approvals, Stage
from attractor.engine.stage.report import REPORT_OUTCOME

_WAITED = "Your process ended while you waited for a person's answer about a tool call."
_ONCE = "An allowed call is allowed once: make exactly this call again, then go on with your task."
_UNANSWERED = "No person has answered: make the call again if you still need it."


def permit_of(stage: Stage) -> Permit | None:
    """Return the function by which the built-in agent asks; None if no person is asked."""
    approvals = stage.approvals
    if approvals is None:
        return None

    async def permit(tool: str, arguments: JsonObject) -> str:
        if tool == REPORT_OUTCOME:
            return ""
        folder = stage.workspace.environment.working_directory()
        verdict = await approvals.ask(AskedCall(tool, arguments, folder))
        return "" if verdict.is_allowed else f"{tool} was not called: {verdict.words}"

    return permit


def continue_after_wait(approvals: Approvals | None, prompt: str) -> str:
    """Return the prompt, or what people answered while the conversation waited."""
    if approvals is None or not approvals.was_parked:
        return prompt
    news = approvals.news()
    return "\n".join([_WAITED, news, _ONCE] if news else [_WAITED, _UNANSWERED])
