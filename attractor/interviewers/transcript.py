"""The file format of recordings: one JSON line for each question and answer."""

from collections.abc import Iterator
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, NotCanonical, UsageError
from attractor.base.journal import Journal, read_lines, read_torn
from attractor.base.json import Json, canonical_json, parse_json
from attractor.engine.errors import RecordBroken
from attractor.engine.questions.question import (
    Answer,
    Question,
    answer_from_record,
    answer_to_record,
    question_from_record,
    question_to_record,
)
from attractor.engine.storage.json_files import Fields
from attractor.engine.storage.secrets import Redactor

_BEGINNING = b'{"answer":'


@dataclass(frozen=True)
class RecordedAnswer:
    """A question, and the answer to this question."""

    question: Question
    answer: Answer

    def to_line(self, redactor: Redactor) -> str:
        """Return the line for the recording, without secrets."""
        record: dict[str, Json] = {
            "question": question_to_record(self.question),
            "answer": answer_to_record(self.answer),
        }
        return canonical_json(redactor.members(record))


def read_recording(file: Path) -> Iterator[RecordedAnswer]:
    """Yield the entries of a recording, or raise an error for an invalid file."""
    try:
        for number, line in enumerate(read_lines(file), start=1):
            fields = Fields(parse_json(line.content), f"{file}, line {number}")
            question = question_from_record(fields.inner("question"))
            yield RecordedAnswer(question, answer_from_record(fields.inner("answer")))
    except (NotCanonical, RecordBroken) as fault:
        raise _refuse(file, str(fault)) from fault


def add_to_recording(file: Path, line: str) -> None:
    """Append one complete line durably to a recording."""
    with Journal.open(file) as journal:
        journal.append(line)


def lines_of(file: Path) -> list[str]:
    """Return the lines of a recording; none if only the file is missing, and not its folder."""
    if not file.parent.is_dir():
        raise FileError(f"cannot write {file}: its folder is missing", hint=f"create {file.parent}")
    if not file.exists():
        return []
    list(read_recording(file))
    torn = read_torn(file)
    # An incomplete last line is removed; it may end inside a character.
    if torn and not torn.content.startswith(_BEGINNING):
        raise _refuse(file, "the last line is invalid")
    return [line.content.decode() for line in read_lines(file)]


def _refuse(file: Path, why: str) -> UsageError:
    return UsageError(
        f"{file} is not a recording of answers: {why}",
        hint="use a file written by the interviewer `recording`, or a new file",
    )
