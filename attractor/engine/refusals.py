"""Says why an answer cannot be taken now."""

from datetime import datetime

from attractor.engine.asking import Question
from attractor.engine.inbox import Order
from attractor.engine.options import name_choices, read_answer, refusal_of
from attractor.engine.run_state import RunState


def refuse_answer(order: Order, state: RunState, now: datetime) -> str:
    """Return why an answer is refused; nothing when it is the first good one, and in time."""
    asked = next((one for one in state.asked if one.id == order.question), None)
    if asked is None:
        return "refused: this is not the question asked"
    if before := state.answers.get(asked.id):
        return f"refused: {before.by or 'somebody'} answered before: {before.value or before.kind}"
    if is_late(asked, now):
        return f"refused: its time was up at {asked.deadline}"
    if read_answer(order.value, asked) is None:
        return f"refused: {refusal_of(order.value, asked)}: {name_choices(asked)}"
    return ""


def is_late(question: Question, now: datetime) -> bool:
    """Tell whether the time of a question is up."""
    return bool(question.deadline) and datetime.fromisoformat(question.deadline) <= now
