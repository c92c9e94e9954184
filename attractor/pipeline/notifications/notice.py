"""The notice that is sent for a waiting question, and the messengers that send it (R5)."""

import json
from pathlib import Path
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.base.registry import Registry
from attractor.engine.questions.answers import choices_of
from attractor.engine.questions.description import branch_of, describe_branches
from attractor.engine.questions.question import Question, question_to_record
from attractor.pipeline.host.run_host import Notify
from attractor.pipeline.runs.open_questions import answer_command

PREFIX = "NOTIFY_"
"""What the variables of a command begin with."""


class Messenger(Protocol):
    """A way to tell people; a file of `messengers` is one."""

    async def __call__(self, notice: JsonObject, notify: Notify) -> str:
        """Tell them, and return what went wrong, if anything did."""
        ...


def messengers() -> Registry[Messenger]:
    """Return the messengers by name."""
    return Registry("attractor.pipeline.messengers", Messenger, noun="messenger")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A question that waits; `reference` is what names the run in a command."""

    run_id: str
    pipeline: str
    directory: Path
    reference: str
    question: Question
    branch: str = ""
    is_parked: bool = False

    def to_record(self) -> dict[str, Json]:
        """Return it as it is sent."""
        asked = question_to_record(self.question)
        return {
            "run_id": self.run_id,
            "pipeline": self.pipeline,
            "directory": str(self.directory),
            "node": self.question.stage,
            "branch": branch_of(self.question) or self.branch,
            "where": "; ".join(describe_branches(self.question)),
            "question": asked,
            "parked": self.is_parked,
            "choices": [
                {"key": one.key, "label": one.label, "command": self._command(one.key)}
                for one in choices_of(self.question)
            ],
            "answer": self._command(""),
        }

    def _command(self, said: str) -> str:
        return answer_command(self.reference, said, question=self.question.id)


def variables_of(notice: JsonObject) -> dict[str, str]:
    """Return what is short of a notice as variables: `NOTIFY_RUN_ID`, `NOTIFY_QUESTION`, ..."""
    plain = {name: value for name, value in notice.items() if isinstance(value, str)}
    match notice:
        case {"question": {"id": str(id_), "text": str(text), "deadline": str(deadline)}}:
            plain |= {"question": text, "question_id": id_, "deadline": deadline}
        case _:
            pass
    match notice.get("choices"):
        case [*choices]:
            plain["choices"] = "\n".join(map(_choice, choices))
        case _:
            pass
    plain["parked"] = "true" if notice.get("parked") else "false"
    return {f"{PREFIX}{name.upper()}": value.replace("\0", "") for name, value in plain.items()}


def sent_bytes(notice: JsonObject) -> bytes:
    """Return a notice as a command reads it and an address is sent it: a line of plain ASCII."""
    return json.dumps(notice).encode("ascii") + b"\n"


def _choice(choice: Json) -> str:
    match choice:
        case {"key": str(key), "label": str(label)}:
            return f"{key}\t{label}"
        case _:
            return ""
