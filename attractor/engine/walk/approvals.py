"""Asks a person about the tool calls of one attempt.

Each call that no rule decides about is a question of the run. Its id contains the hash of tool,
input and folder, so an answer never counts for another call. An answer counts once: the event
`ApprovalUsed` comes before the call, and takes the answer back.
"""

import asyncio
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import count

from attractor.base.json import Json, canonical_json
from attractor.engine.journal.events import ApprovalUsed
from attractor.engine.questions.call_rules import ONLY_READS, AskedCall, CallPermissions, find_rule
from attractor.engine.questions.question import (
    BESIDES,
    Answer,
    AnswerKind,
    ApprovalChoice,
    Interviewer,
    Option,
    Question,
    QuestionKind,
    fault_of_rule,
    proves_person,
    split_approval,
)
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import WITHDRAWN, Verdict
from attractor.engine.stage.execution import TimeLimits
from attractor.engine.state.attempts import StageReference, stage_id
from attractor.engine.truncation import condense, shorten

_LONGEST_LINE, _LONGEST_LABEL = 200, 100
_LONGEST_INPUT = 20_000
"""The maximum length of an input in a question; the answer is about the whole input."""

RULED = "CallRuled"
"""The event type of a call about which a rule decided, so that no person was asked."""


class StageApprovals:
    """The questions about the calls of one attempt, and their answers.

    `was_parked` is true if an earlier process left a question of this attempt, and its
    conversation.
    """

    def __init__(
        self,
        run: OpenRun,
        place: StageReference,
        permissions: CallPermissions,
        interviewer: Interviewer,
        limits: TimeLimits,
        *,
        was_parked: bool = False,
    ) -> None:
        self.was_parked = was_parked
        self._run = run
        self._place = place
        self._permissions = permissions
        self._interviewer = interviewer
        self._limits = limits
        self._open = set[str]()

    async def ask(self, call: AskedCall) -> Verdict:
        """Return whether a call may be made: by a rule, or by the answer of a person."""
        if found := find_rule(call, self._permissions, self._run.state.call_rules):
            if found.rule == ONLY_READS:
                return Verdict(True)
            data: dict[str, Json] = {"rule": found.rule, "is_allowed": found.is_allowed}
            self._run.emit(RULED, {**data, "call": call.describe()}, place=self._place)
            return Verdict(found.is_allowed, f"refused by the rule {found.rule}")
        question = self._question(call)
        self._open.add(question.id)
        try:
            with self._limits.stopped():
                answer = await self._interviewer.ask(question)
        except asyncio.CancelledError as canceled:
            if canceled.args == (WITHDRAWN,):
                self._run.record(ApprovalUsed(question.id, WITHDRAWN), place=self._place)
            raise
        finally:
            self._open.remove(question.id)
        return self._use(call, question, answer)

    def news(self) -> str:
        """Return what people answered while no process worked, for the agent."""
        return "\n".join(self._news())

    def _news(self) -> Iterator[str]:
        for question in self._questions():
            answer = self._run.answer_to(question)
            if answer and _is_of_person(answer):
                choice, words = split_approval(answer.value)
                done = "refused" if choice is ApprovalChoice.DENY else "allowed"
                call = f"{question.metadata['tool']} {question.metadata['input']}"
                yield f"A person {done} this call: {call}" + (f" ({words})" * bool(words))

    def end(self) -> None:
        """Record the answers that were not used, because the agent did something else."""
        for question in self._questions():
            if self._run.answer_to(question):
                self._run.record(ApprovalUsed(question.id, "not used"), place=self._place)

    def _questions(self) -> Sequence[Question]:
        own = f"{self._id}{BESIDES}"
        return [
            one
            for one in self._run.state.asked
            if one.kind is QuestionKind.APPROVAL and one.id.startswith(own)
        ]

    @property
    def _id(self) -> str:
        place = self._place
        return stage_id(place.node or "", place.visit or 1, place.attempt or 1)

    def _question(self, call: AskedCall) -> Question:
        content = canonical_json([call.tool, dict(call.arguments), call.folder])
        digest = sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
        name = f"{self._id}{BESIDES}approval-{digest}"
        # Equal calls at once are several questions.
        names = (name if number == 1 else f"{name}.{number}" for number in count(1))
        # Half of a secret would not be found.
        clean = self._run.redactor.text
        options = [Option(ApprovalChoice.ALLOW, "Allow this call once")]
        options.append(Option(ApprovalChoice.DENY, "Refuse it, with words for the agent"))
        if call.rule:
            label = f"Allow it from now on: {condense(clean(call.rule), _LONGEST_LABEL)}"
            options.append(Option(ApprovalChoice.ALWAYS, label))
        if call.is_editable and call.command:
            options.append(Option(ApprovalChoice.EDIT, "Run another command instead"))
        whole = canonical_json(dict(call.arguments))
        hidden = len(call.changes or whole) - _LONGEST_INPUT
        shown: dict[str, Json] = {
            "tool": call.tool,
            "input": shorten(whole, _LONGEST_INPUT),
            "folder": call.folder,
            "why": call.why,
            "patch": shorten(call.changes, _LONGEST_INPUT),
            "hidden": f"{hidden + 1:,} characters more are not shown" if hidden > 0 else "",
        }
        return Question(
            id=next(name for name in names if name not in self._open),
            text=f"May the agent do this? {condense(clean(call.describe()), _LONGEST_LINE)}",
            kind=QuestionKind.APPROVAL,
            options=options,
            stage=self._place.node or "",
            metadata={key: value for key, value in shown.items() if value},
        )

    def _use(self, call: AskedCall, question: Question, answer: Answer) -> Verdict:
        """Take an answer back from the run, so that it counts once."""
        choice, words = split_approval(answer.value)
        if choice not in [option.key for option in question.options]:
            choice, words = ApprovalChoice.DENY, f"{choice} is no answer to this question"
        rule = words or call.rule if choice is ApprovalChoice.ALWAYS else ""
        # The question may show a part of the call.
        if rule and (fault := fault_of_rule(rule, call)):
            choice, words, rule = ApprovalChoice.DENY, fault.message, ""
        refusal = f"a person refused it: {words}" if words else "a person refused it"
        if not _is_of_person(answer):
            choice, refusal, rule = ApprovalChoice.DENY, "refused: no person answered", ""
        self._run.record(ApprovalUsed(question.id, str(choice), rule), place=self._place, sync=True)
        if choice is ApprovalChoice.DENY:
            return Verdict(False, refusal)
        return Verdict(True, command=words if choice is ApprovalChoice.EDIT else "")


def _is_of_person(answer: Answer) -> bool:
    return answer.kind is AnswerKind.GIVEN and proves_person(answer.proof)
