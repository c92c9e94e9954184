"""How many tokens an answer took, for the wires that count the whole prompt and thoughts apart."""

from attractor.base.dataclasses import dataclass
from attractor.twins.answer import Answer
from attractor.twins.conversation import Conversation, count_tokens
from attractor.twins.wires.bodies import arguments_text


@dataclass(frozen=True)
class TokenCounts:
    """The whole prompt, what of it was cached, all that was made, and what of that was thought."""

    spent: int
    cached: int
    made: int
    thought: int


def count_answer(answer: Answer, conversation: Conversation) -> TokenCounts:
    """Count what the script does not say."""
    given = answer.usage
    thought = count_tokens(answer.thinking or "") if given.reasoning is None else given.reasoning
    said = answer.text + "".join(map(arguments_text, answer.tool_calls))
    spent = given.spent(conversation.tokens)
    made = thought + count_tokens(said) if given.output is None else given.output
    return TokenCounts(spent, given.cache_read, made, thought)
