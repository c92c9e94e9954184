"""The work of our own agent at one stage: its session, with all that belongs to it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from attractor.agent.provider_profile import create_profile, profile_parts, read_prompt
from attractor.agent.session import Session
from attractor.agent.session_state import EventEmitter, EventKind, SessionEvent
from attractor.agent.turns import AssistantTurn, Turn
from attractor.backends.agent_conversations import Keeping
from attractor.backends.agent_parts import AgentParts, choose_model
from attractor.backends.agent_place import AgentPlace
from attractor.backends.agent_prices import Meter, Pricing
from attractor.backends.agent_record import Record
from attractor.backends.agent_reporting import Reporting
from attractor.backends.agent_threads import recall
from attractor.backends.model_choice import ModelChoice
from attractor.backends.status_file import VARIABLE, StatusFile
from attractor.backends.tool_hooks import hooks_of
from attractor.base.dataclasses import dataclass
from attractor.engine.interfaces import Stage
from attractor.engine.outcome import FailureClass, Outcome, failure
from attractor.llm.errors import SDKError


@dataclass(frozen=True)
class Work:
    """A stage, the session that does it, and what came of it so far."""

    stage: Stage
    session: Session
    reporting: Reporting
    keeping: Keeping
    meter: Meter
    folders: Sequence[Path]

    def reminder(self) -> str:
        """Return what an agent is told that has not reported, or whose report was refused."""
        refused = self.reporting.refusals[-1:]
        told = [f"Your report was refused: {words}" for words in refused]
        return "\n".join([*told, read_prompt("report_reminder", folders=self.folders)])


def open_work(stage: Stage, parts: AgentParts, file: StatusFile | None, pricing: Pricing) -> Work:
    """Open a session for a stage, with all that it may do and all that is kept of it."""
    choice = choose_model(stage, parts)
    folders = parts.prompt_folders
    profile = create_profile(choice.provider, model=choice.model, prompt_folders=folders)
    reporting = Reporting(stage, file)
    profile.tool_registry.register(reporting.tool())
    record = Record(stage, reporting)
    history = recall(stage, choice, window=profile.traits.context_window_size)
    keeping = Keeping(stage, choice, history)
    meter = Meter(pricing, choice, EventEmitter(stage.id, parts.clock, record.take))

    def on_event(event: SessionEvent) -> None:
        if event.kind is EventKind.ASSISTANT_TEXT_START:
            stage.spending.require_left()
        record.take(event)
        if reporting.is_spoilt and event.kind is EventKind.TOOL_CALL_END:
            session.abort()

    def on_turn(turn: Turn) -> None:
        keeping.take(turn)
        if isinstance(turn, AssistantTurn):
            stage.spending.use(meter.take(turn.usage, turn.provider, turn.model))

    session = Session(
        profile,
        AgentPlace(stage.workspace.environment, _variables(file), stage.files),
        client=parts.client,
        clock=parts.clock,
        config=replace(parts.config, reasoning_effort=choice.reasoning_effort),
        instructions=_how_to_report(file, folders),
        hooks=hooks_of(stage),
        on_event=on_event,
        on_turn=on_turn,
        id=stage.id,
        history=history,
    )
    return Work(stage, session, reporting, keeping, meter, folders)


def window(choice: ModelChoice) -> int:
    """Return how many tokens the model of a choice takes."""
    return profile_parts()[choice.provider].context_window_size


def model_failed(error: SDKError) -> Outcome:
    """Return the outcome of a stage whose model could not be asked."""
    kind = FailureClass.RETRYABLE if error.retryable else FailureClass.TERMINAL
    return failure(f"{type(error).__name__}: {error.message}", kind)


def _variables(file: StatusFile | None) -> dict[str, str]:
    return {VARIABLE: file.path} if file else {}


def _how_to_report(file: StatusFile | None, folders: Sequence[Path]) -> str:
    names = ["report_outcome", *(["report_file"] if file else [])]
    return "\n\n".join(read_prompt(name, folders=folders) for name in names)
