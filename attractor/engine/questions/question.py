"""Questions to people, with descriptions and answers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json, canonical_json, parse_object
from attractor.base.patterns import late_pattern
from attractor.base.records import write_fields
from attractor.engine.errors import RecordBroken
from attractor.engine.questions.call_rules import AskedCall, parse_rule
from attractor.engine.questions.edge_labels import normalize_label
from attractor.engine.storage.json_files import Fields
from attractor.engine.truncation import shorten


class QuestionKind(StrEnum):
    """The kind of answer that a question asks for (attractor-spec 6.2)."""

    YES_NO = "yes_no"
    MULTIPLE_CHOICE = "multiple_choice"
    FREEFORM = "freeform"
    CONFIRMATION = "confirmation"
    APPROVAL = "approval"
    """Whether an agent may make a tool call; only a person can allow it."""


class ApprovalChoice(StrEnum):
    """The answers to the question about a tool call; words can follow."""

    ALLOW = "allow"
    DENY = "deny"
    ALWAYS = "always"
    EDIT = "edit"


def split_approval(value: str) -> tuple[ApprovalChoice, str]:
    """Return the choice and the words of an answer; what is no choice refuses."""
    said, _, words = value.strip().partition(" ")
    key = said.rstrip(":").casefold()
    if key not in [*ApprovalChoice]:
        return ApprovalChoice.DENY, value
    return ApprovalChoice(key), words.strip()


@dataclass(frozen=True)
class Option:
    """One option of a question."""

    key: str
    label: str


@dataclass(frozen=True)
class EnclosingBranch:
    """A branch that contains a question; in a `for_each`, with the item of the branch.

    `branch` is the id of the branch in events. `name` is the name of the branch at `node`, where
    the branch begins. `index` counts from 1.
    """

    branch: str
    name: str
    node: str = ""
    item: Json = None
    index: int = 0
    count: int = 0


@dataclass(frozen=True)
class Question:
    """A question to a person; `id` names the node, the visit and the attempt (attractor-spec 6.2).

    If a stage asks several questions, their ids have a suffix: `gate@1.1#name`. `default` is the
    answer after a time-out, or if a person presses Enter. `targets` in the metadata are other names
    of the options. `within` are the branches that contain the question, the outermost first.
    """

    id: str
    text: str
    kind: QuestionKind
    options: Sequence[Option]
    stage: str
    deadline: str = ""
    default: str = ""
    timeout_seconds: float | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])
    within: Sequence[EnclosingBranch] = ()


class AnswerKind(StrEnum):
    """The way in which a question was settled."""

    GIVEN = "given"
    TIMEOUT = "timeout"
    SKIPPED = "skipped"


TERMINAL = "terminal"
BROWSER_SESSION = "browser session"
ANSWERS_FILE = "answers file"
AUTO_APPROVED = "--auto-approve"
UNVERIFIED = "unverified"
NOT_RECORDED = "not recorded"
"""The proof of an answer that an earlier version recorded."""

_TOKEN, _MCP = "token ", "mcp "


def token_proof(name: str) -> str:
    """Return the proof of a person with a token."""
    return f"{_TOKEN}{name}"


def mcp_proof(client: str) -> str:
    """Return the proof of an agent that answers over MCP."""
    return f"{_MCP}{client}"


def proves_person(proof: str) -> bool:
    """Return whether a proof identifies a person, if agents could not write the record."""
    return proof in (TERMINAL, BROWSER_SESSION) or proof.startswith(_TOKEN)


def describe_author(by: str, proof: str) -> str:
    """Return the author of an answer and its proof, such as `ann (terminal)`."""
    return f"{by or 'unknown user'} ({proof or NOT_RECORDED})"


@dataclass(frozen=True)
class Answer:
    """The answer to a question, its author, and the author's proof (attractor-spec 6.3).

    `value` is the key of an option, `yes`, `no` or free text; after a time-out, `value` is the
    default. `text` is the input of the person.
    """

    kind: AnswerKind
    value: str = ""
    by: str = ""
    selected_option: Option | None = None
    text: str = ""
    proof: str = UNVERIFIED


class Interviewer(Protocol):
    """A way to ask a person. If `ask` raises Parked, the question waits in the journal."""

    async def ask(self, question: Question) -> Answer:
        """Ask a question, and wait for the answer."""
        ...

    async def ask_multiple(self, questions: Sequence[Question]) -> Sequence[Answer]:
        """Ask several questions, and return an answer to each."""
        ...

    async def inform(self, message: str, stage: str) -> None:
        """Show a message that needs no answer."""
        ...


def question_to_record(question: Question) -> dict[str, Json]:
    """Return the record of a question, without empty fields."""
    return {
        "id": question.id,
        "text": question.text,
        "kind": question.kind.value,
        "options": [write_fields(one) for one in question.options],
        "stage": question.stage,
        "deadline": question.deadline,
        **_without_empty(
            {
                "default": question.default,
                "timeout_seconds": question.timeout_seconds,
                "metadata": dict(question.metadata),
                "within": [_within_to_record(one) for one in question.within],
            }
        ),
    }


def question_from_record(fields: Fields) -> Question:
    """Read a question from its record."""
    return fields.whole(Question, "default", "timeout_seconds", "metadata", "within")


def within_from_record(fields: Fields) -> tuple[EnclosingBranch, ...]:
    """Read, from the record of a question, the branches that contain the question."""
    if not fields.has("within"):
        return ()
    return tuple(one.record(EnclosingBranch) for one in fields.inners("within"))


def answer_to_record(answer: Answer) -> dict[str, Json]:
    """Return the record of an answer, without empty fields."""
    option = answer.selected_option
    return {
        "kind": answer.kind.value,
        "value": answer.value,
        "by": answer.by,
        **({"proof": answer.proof} if answer.kind is AnswerKind.GIVEN else {}),
        **_without_empty(
            {
                "selected_option": write_fields(option) if option else None,
                "text": answer.text,
            }
        ),
    }


def answer_from_record(fields: Fields) -> Answer:
    """Read an answer from its record."""
    answer = fields.whole(Answer, "selected_option", "text", "proof")
    is_older = answer.kind is AnswerKind.GIVEN and not fields.has("proof")
    return replace(answer, proof=NOT_RECORDED) if is_older else answer


def _without_empty(members: Mapping[str, Json]) -> dict[str, Json]:
    return {
        name: one for name, one in members.items() if one is not None and one not in ("", {}, [])
    }


def _within_to_record(within: EnclosingBranch) -> dict[str, Json]:
    record: dict[str, Json] = {"branch": within.branch, "name": within.name, "node": within.node}
    if not within.index:
        return record
    return {**record, "index": within.index, "count": within.count, "item": within.item}


OF_CHILD = "/"
"""The separator between the id of an attempt and the id of a question from the child run."""

BESIDES = "#"
"""The separator between the id of an attempt and the name of one of several questions."""


def of_child(name: str, question: Question) -> Question:
    """Return the question of a child run, with the id that the parent run uses for the question."""
    prefix = f"{name}{OF_CHILD}"
    within = tuple(replace(one, branch=prefix + one.branch) for one in question.within)
    return replace(question, id=prefix + question.id, within=within)


async def ask_each(interviewer: Interviewer, questions: Sequence[Question]) -> Sequence[Answer]:
    """Ask one question after the other."""
    return [await interviewer.ask(one) for one in questions]


TARGETS = "targets"
"""The metadata key of a question for the target nodes of its options."""

LONGEST_WORDS = 200

_CHOOSE = "choose one of "

_YES_OR_NO = {"y": "yes", "yes": "yes", "n": "no", "no": "no"}

_YES_NO_KINDS = (QuestionKind.YES_NO, QuestionKind.CONFIRMATION)

T = TypeVar("T")


def fold_words(text: str) -> str:
    """Return a text as it is compared: stripped and case-folded."""
    return text.strip().casefold()


def pick_match(said: str, among: Iterable[T], readings: Sequence[Callable[[T], str]]) -> T | None:
    """Return the candidate that matches a text in the first reading with any match, or None.

    `readings` return texts of a candidate, such as key and label. If the first reading with a match
    matches several candidates, return None.
    """
    words, those = fold_words(said), list(among)
    for read in readings:
        meant = [one for one in those if words and fold_words(read(one)) == words]
        if meant:
            # An ambiguous answer chooses none.
            return meant[0] if len(meant) == 1 else None
    return None


def find_option(said: str, question: Question) -> Option | None:
    """Return the option with this key, label or target, or None."""
    targets = question.metadata.get(TARGETS)
    leads = targets if isinstance(targets, dict) else {}
    return pick_match(
        said,
        question.options,
        [
            lambda one: one.key,
            lambda one: one.label,
            lambda one: normalize_label(one.label),
            lambda one: str(leads.get(one.key, "")),
        ],
    )


def read_answer(said: str, question: Question, *, by: str = "") -> Answer | None:
    """Return the answer in a person's input, or None if the input matches no option."""
    given = Answer(AnswerKind.GIVEN, said, by, text=said)
    if question.kind in _YES_NO_KINDS:
        value = _YES_OR_NO.get(fold_words(said))
        return replace(given, value=value) if value else None
    if question.kind is QuestionKind.FREEFORM or not question.options:
        return given
    if question.kind is QuestionKind.APPROVAL:
        return _read_approval(given, question)
    option = find_option(said, question)
    return replace(given, value=option.key, selected_option=option) if option else None


def _read_approval(given: Answer, question: Question) -> Answer | None:
    """Return the answer about a tool call: its value is the key of a choice, and the words."""
    said = given.text.strip()
    choice, words = split_approval(said)
    key = said.partition(" ")[0].rstrip(":").casefold()
    option = next((one for one in question.options if one.key == key), None)
    if option is None or (choice is ApprovalChoice.EDIT and not words):
        return None
    if _fault_of_approval(said, question):
        return None
    return replace(given, value=f"{choice} {words}".strip(), selected_option=option)


def _fault_of_approval(said: str, question: Question) -> UsageError | None:
    """Return why words after `allow` or `always` have no effect, as far as the question shows."""
    choice, rule = split_approval(said)
    if choice is ApprovalChoice.ALLOW and rule:
        hint = "leave them out, or refuse the call with words: deny WORDS"
        return UsageError("the agent gets no words with a call that is allowed", hint=hint)
    shown = {name: str(value) for name, value in question.metadata.items()}
    arguments = parse_object(shown.get("input", ""))
    if choice is not ApprovalChoice.ALWAYS or not rule or arguments is None:
        return None
    return fault_of_rule(rule, AskedCall(shown["tool"], arguments, shown["folder"]))


def fault_of_rule(rule: str, call: AskedCall) -> UsageError | None:
    """Return why a person cannot allow a call by a rule; None if it can."""
    try:
        if parse_rule(rule).permits(call):
            return None
    except UsageError as fault:
        return fault
    hint = f"always alone allows {call.rule}" if call.rule else "allow allows it once"
    return UsageError(f"the rule {rule!r} is not about this call", hint=hint)


def describe_asked_call(question: Question) -> Sequence[str]:
    """Return what a person needs to judge a tool call: where and why, and its changes or input.

    Empty for another question.
    """
    if "input" not in question.metadata:
        return ()
    told = {name: str(value) for name, value in question.metadata.items()}
    why = f": {told['why']}" if "why" in told else ""
    what = told.get("patch") or told["input"]
    hidden = [told["hidden"]] if "hidden" in told else []
    return [f"{told['tool']} in {told['folder']}{why}", *what.splitlines(), *hidden]


def require_answer(said: str, question: Question, *, by: str = "") -> Answer:
    """Return the answer in a person's input, or raise UsageError."""
    answer = read_answer(said, question, by=by) if said.strip() else None
    if answer is None:
        raise _refuse(said, question)
    return answer


def with_option(answer: Answer, question: Question) -> Answer:
    """Return an answer with the selected option; an answer that matches no option is unchanged."""
    if answer.kind is not AnswerKind.GIVEN:
        return answer
    read = read_answer(answer.value, question, by=answer.by)
    text = answer.text or answer.value
    return replace(read, text=text, proof=answer.proof) if read else answer


def describe_refusal(said: str, question: Question) -> str:
    """Return the message for an input that is not a valid answer, with the valid ones."""
    fault = _refuse(said, question)
    return f"{fault.message}: {fault.hint.removeprefix(_CHOOSE)}"


def _refuse(said: str, question: Question) -> UsageError:
    if question.kind is QuestionKind.APPROVAL and (fault := _fault_of_approval(said, question)):
        return fault
    words = repr(shorten(said, LONGEST_WORDS))
    if not _has_choices(question):
        return UsageError(f"invalid answer {words}")
    return UsageError(f"invalid choice {words}", hint=f"{_CHOOSE}{describe_choices(question)}")


def describe_choices(question: Question) -> str:
    """Return the choices of a question in one line."""
    return ", ".join(f"{one.key} ({one.label})" for one in choices_of(question))


def choices_of(question: Question) -> Sequence[Option]:
    """Return the choices: yes and no, the options, or none for free text."""
    if question.kind in _YES_NO_KINDS:
        return (Option("yes", "Yes"), Option("no", "No"))
    return () if question.kind is QuestionKind.FREEFORM else question.options


def _has_choices(question: Question) -> bool:
    return bool(choices_of(question))


def is_late(question: Question, now: datetime) -> bool:
    """Return whether the deadline of a question has passed."""
    return bool(question.deadline) and datetime.fromisoformat(question.deadline) <= now


SHOWN_OF_ITEM = 80
"""The maximum length of an item in a line of text for people."""

MAX_LISTED = 3
"""The maximum number of questions in one line; `attractor answer` lists all of them."""

_WAITS = "waits for an answer"

_DIGITS = late_pattern(r"([0-9]+)")


def branch_of(question: Question) -> str:
    """Return the key of the innermost branch that contains a question, or an empty text."""
    return question.within[-1].branch if question.within else ""


def describe_branches(question: Question) -> list[str]:
    """Return one phrase for each branch that contains a question, such as `item 2 of 3: b`."""
    return list(map(_phrase, question.within))


def describe_recorded_branches(question: Json) -> list[str]:
    """Return the phrases for the branches in a question's record.

    Empty if the record is invalid.
    """
    try:
        within = within_from_record(Fields(question, "a question"))
    except RecordBroken:
        return []
    return list(map(_phrase, within))


def describe_question(question: Question) -> str:
    """Return the text of a question, and the branches that contain it, in one line."""
    where = "; ".join(describe_branches(question))
    return f"{question.text} ({where})" if where else question.text


def describe_wait(questions: Sequence[Question]) -> str:
    """Return the reason why a run waits: the single open question, or the number of open questions
    followed by the first few.
    """
    if len(questions) == 1:
        return f"{_WAITS}: {describe_question(questions[0])}"
    listed = list(map(describe_question, sort_questions(questions)[:MAX_LISTED]))
    if len(questions) > MAX_LISTED:
        listed.append(f"{len(questions) - MAX_LISTED} more")
    return f"waits for {len(questions)} answers: {'; '.join(listed)}"


def sort_questions(questions: Iterable[Question]) -> list[Question]:
    """Return questions ordered by branch, item and id."""
    return sorted(questions, key=lambda one: (natural_key(branch_of(one)), natural_key(one.id)))


def natural_key(text: str) -> tuple[tuple[int, str], ...]:
    """Return a sort key that compares numbers as numbers: `gate@2` comes before `gate@10`."""
    parts = _DIGITS.split(text)
    return tuple((int(one), "") if one.isdecimal() else (-1, one) for one in parts)


def _phrase(within: EnclosingBranch) -> str:
    return "".join(_words(within))


def _words(within: EnclosingBranch) -> Iterator[str]:
    of_node = f" of {within.node}" if within.node else ""
    if not within.index:
        yield f"branch {within.name}{of_node}"
        return
    yield f"item {within.index} of {within.count}{of_node}"
    # With several edges, each item has several branches, so the branch is named too.
    if not within.name.isdecimal():
        yield f", branch {within.name}"
    item = within.item
    words = item if isinstance(item, str) else canonical_json(item)
    yield f": {shorten(' '.join(words.split()), SHOWN_OF_ITEM)}"
