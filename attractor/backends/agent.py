"""The backend `agent`: runs the built-in coding agent until it reports the outcome of a stage."""

from dataclasses import replace

from attractor.agent.loop import InputResult, Stop
from attractor.agent.session import Session, SessionState
from attractor.agent.session_state import EventKind
from attractor.backends.agent_conversations import keep, put_lost_before, rebuild
from attractor.backends.agent_report import status_file_in
from attractor.backends.agent_session import Work, answer_once, model_failed, open_work
from attractor.backends.models import AgentParts, Pricing, choose_model
from attractor.backends.registry import BackendParts
from attractor.base.errors import UsageError
from attractor.engine.journal.events import OUTCOME_ASSUMED
from attractor.engine.outcome import FailureClass, Outcome, failure, success
from attractor.engine.routing.next_move import wants_verdict
from attractor.engine.seams import Exhausted, ModelAnswer, Stage
from attractor.engine.truncation import response_updates
from attractor.engine.walk.saved_conversations import ReadSaved
from attractor.llm.errors import SDKError

_LIMITS = (Stop.ROUND_LIMIT, Stop.TURN_LIMIT)


class Agent:
    """Runs a session for each stage and returns its reported outcome (attractor-spec 4.5)."""

    def __init__(self, parts: BackendParts) -> None:
        self._parts = parts
        self._pricing = Pricing()
        self._at_work: dict[str, Session] = {}

    async def run(self, stage: Stage, prompt: str) -> Outcome | str:
        """Run an agent with a prompt, and return the reported outcome with its usage."""

        def warn(words: str) -> None:
            stage.emit(EventKind.WARNING, message=words)

        parts, place = self._agent_parts(), stage.workspace.environment
        async with status_file_in(place, warn=warn) as file:
            work = open_work(stage, parts, file, self._pricing)
            self._at_work[stage.id] = work.session
            try:
                outcome = await _do(work, put_lost_before(stage, prompt))
            finally:
                self._at_work.pop(stage.id, None)
                work.keeping.end()
                keep(stage, choose_model(stage, parts), work.session.history)
                work.session.close()
        return replace(outcome, usage=work.meter.total)

    async def answer(self, stage: Stage, prompt: str) -> ModelAnswer | Outcome:
        """Answer a prompt by one call to the stage's model, without tools."""
        return await answer_once(stage, prompt, self._agent_parts(), self._pricing)

    async def steer(self, stage_id: str, text: str) -> bool:
        """Send a message to the running session of a stage; return whether there is one."""
        session = self._at_work.get(stage_id)
        if session is None or session.state is SessionState.CLOSED:
            return False
        session.steer(text)
        return True

    def rebuild(self, last: str, read: ReadSaved) -> object:
        """Return the conversation of a stage from its files."""
        return rebuild(last, read)

    def _agent_parts(self) -> AgentParts:
        parts = self._parts.agent
        if parts is None:
            raise UsageError(
                "missing client of the backend 'agent'",
                hint="set a provider's key, such as OPENAI_API_KEY or ANTHROPIC_API_KEY",
            )
        return parts


async def _do(work: Work, prompt: str) -> Outcome:
    try:
        ending = await _converse(work, prompt)
    except SDKError as error:
        # An accepted report counts, even if a later call fails.
        return await work.reporting.reported() or model_failed(error)
    except Exhausted:
        if (outcome := await work.reporting.reported()) is None:
            raise
        return outcome
    work.stage.files.write("response.md", ending.text)
    outcome = work.reporting.outcome
    if outcome is None:
        return _without_report(work, ending)
    updates = response_updates(work.stage.node.id, ending.text) | dict(outcome.context_updates)
    return replace(outcome, context_updates=updates)


async def _converse(work: Work, prompt: str) -> InputResult:
    """Run the agent, and ask once for a missing or invalid report (R4, R8)."""
    ending = await work.session.submit(prompt)
    if await work.reporting.reported() or work.session.state is SessionState.CLOSED:
        return ending
    if ending.stop is Stop.TURN_LIMIT:
        return ending
    reminded = await work.session.submit(work.reminder())
    await work.reporting.reported()
    return replace(ending, text=ending.text or reminded.text)


def _without_report(work: Work, ending: InputResult) -> Outcome:
    stage = work.stage
    if work.reporting.refusals:
        return failure(f"invalid report: {work.reporting.refusals[-1]}")
    if ending.stop in _LIMITS:
        return failure(f"the agent reached the {ending.stop.value} before its report")
    if wants_verdict(stage.graph, stage.node):
        return failure("no_verdict", FailureClass.VERDICT)
    stage.emit(OUTCOME_ASSUMED, reason="the agent ended without a report", outcome="success")
    updates = response_updates(stage.node.id, ending.text)
    return success(f"Stage completed: {stage.node.id}", **updates)


part = Agent
