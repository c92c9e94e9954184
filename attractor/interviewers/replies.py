"""Takes what a program's function replied to a question as an answer, or refuses it."""

from attractor.base.errors import UsageError
from attractor.engine.questions.question import Answer, AnswerKind

Reply = Answer | str | None
"""An answer, the words of one, or nothing: the question is left out."""


def read_reply(reply: object, *, by: str = "") -> Answer:
    """Return the answer that a reply is; what words mean is found out where they are asked for."""
    match reply:
        case Answer():
            return reply
        case str():
            return Answer(AnswerKind.GIVEN, reply, by, text=reply)
        case None:
            return Answer(AnswerKind.SKIPPED, by=by)
        case _:
            raise UsageError(
                f"whoever is asked replied with {type(reply).__name__}, which is no answer",
                hint="reply with an Answer, with words such as a choice, or with None to skip it",
            )
