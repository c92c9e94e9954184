"""Records the questions and answers of another interviewer in a file."""

from collections.abc import Sequence

from attractor.base.errors import AttractorError
from attractor.engine.questions.question import Answer, Question, ask_each
from attractor.engine.seams import Stopped
from attractor.interviewers.console import Console
from attractor.interviewers.park import Park
from attractor.interviewers.registry import InterviewerParts
from attractor.interviewers.transcript import RecordedAnswer, add_to_recording, lines_of


class Recording:
    """Records the answers of an inner interviewer for `replay` (attractor-spec 6.4).

    The default inner interviewer is the console if there is a terminal; otherwise there is no inner
    interviewer.
    """

    def __init__(self, parts: InterviewerParts) -> None:
        is_terminal = parts.inner is None and parts.input.isatty()
        self._inner = parts.inner or (Console(parts) if is_terminal else Park(parts))
        self._file = parts.file
        self._redactor = parts.redactor
        # Checked before the first question, because an answer that cannot be recorded is lost.
        self._written = lines_of(parts.file) if parts.file else []
        self.recordings: list[RecordedAnswer] = []

    async def ask(self, question: Question) -> Answer:
        """Let the inner interviewer ask, and record the answer."""
        answer = await self._inner.ask(question)
        self.note_answer(question, answer)
        return answer

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask one question after the other."""
        return await ask_each(self, questions)

    async def inform(self, message: str, stage: str) -> None:
        """Pass the message to the inner interviewer."""
        await self._inner.inform(message, stage)

    def note_answer(self, question: Question, answer: Answer) -> None:
        """Record an answer from elsewhere, such as another terminal."""
        recorded = RecordedAnswer(question, answer)
        self.recordings.append(recorded)
        if self._file is None:
            return
        try:
            line = recorded.to_line(self._redactor)
            # An earlier process of the run may have written it.
            if line not in self._written:
                add_to_recording(self._file, line)
                self._written.append(line)
        except AttractorError as trouble:
            # An error stops the run: a stage did not fail, and an unrecorded answer must not count.
            raise Stopped(str(trouble)) from trouble


part = Recording
