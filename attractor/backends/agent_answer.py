"""One call to a model, without tools: a prompt is answered in words."""

from dataclasses import replace

from attractor.agent.session_state import EventEmitter, EventKind
from attractor.agent.turns import AssistantTurn, UserTurn, convert_history_to_messages
from attractor.backends.agent_conversations import Keeping
from attractor.backends.agent_parts import AgentParts, choose_model
from attractor.backends.agent_prices import Meter, Pricing
from attractor.backends.agent_record import Record
from attractor.backends.agent_reporting import Reporting
from attractor.backends.agent_threads import as_texts, keep, put_lost_before, recall
from attractor.backends.agent_work import model_failed, window
from attractor.engine.interfaces import Said, Stage
from attractor.engine.outcome import Outcome
from attractor.llm.errors import SDKError
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.retry_policy import retry


async def answer_once(
    stage: Stage, prompt: str, parts: AgentParts, pricing: Pricing
) -> Said | Outcome:
    """Answer a prompt, and tell of the call as a session tells of its own."""
    choice = choose_model(stage, parts)
    # Words alone: a model that is given no tools takes no calls back.
    before = recall(stage, choice, window=window(choice)) if stage.carried.thread else ()
    keeping = Keeping(stage, choice, before)
    asked = UserTurn(put_lost_before(stage, prompt), parts.clock.now())
    request = Request(
        model=choice.model,
        messages=convert_history_to_messages([*as_texts(before), asked]),
        provider=choice.provider,
        reasoning_effort=choice.reasoning_effort,
    )
    emit = EventEmitter(stage.id, parts.clock, Record(stage, Reporting(stage)).take)
    meter = Meter(pricing, choice, emit)
    stage.spending.require_left()
    emit(EventKind.SESSION_START, provider=choice.provider, model=choice.model)
    emit(EventKind.USER_INPUT, content=asked.content)
    try:
        response = await _call(request, parts, emit, meter)
    except SDKError as error:
        emit(EventKind.ERROR, message=error.message, error=type(error).__name__)
        return model_failed(error)
    finally:
        emit(EventKind.SESSION_END, state="CLOSED", aborted=False)
    stage.spending.use(meter.total)
    answered = AssistantTurn.from_response(response, parts.clock.now())
    keeping.take(asked)
    keeping.take(answered)
    keeping.end()
    keep(stage, choice, [*before, asked, answered])
    return Said(response.text, meter.total)


async def _call(request: Request, parts: AgentParts, emit: EventEmitter, meter: Meter) -> Response:
    def tell(error: SDKError, attempt: int, delay: float) -> None:
        words = f"try {attempt} failed ({error.message}); the next one is in {delay:g} s"
        emit(EventKind.WARNING, message=words)

    emit(EventKind.ASSISTANT_TEXT_START)
    response = await retry(
        lambda: parts.client.complete(request),
        policy=replace(parts.config.retry_policy, on_retry=tell),
        clock=parts.clock,
    )
    used = response.usage
    emit(
        EventKind.ASSISTANT_TEXT_END,
        text=response.text,
        reasoning=response.reasoning,
        usage={"input_tokens": used.input_tokens, "output_tokens": used.output_tokens},
    )
    meter.take(used, response.provider, response.model)
    for warning in response.warnings:
        emit(EventKind.WARNING, message=warning.message)
    if response.finish_reason.reason == "length":
        emit(EventKind.WARNING, message="The answer was cut at its maximum length")
    return response
