"""Puts a question into words for a terminal: nothing in it can move the cursor or flood it."""

from datetime import datetime

from attractor.engine.questions.answer_options import find_option
from attractor.engine.questions.ask import where_asked
from attractor.engine.questions.question import Option, Question, QuestionKind
from attractor.engine.routing.edge_labels import accelerator, normalize_label
from attractor.engine.stage_report import keep_ends, shorten
from attractor.language.source.text import visible

LONGEST_LINE = 500

_YES_NO = {"yes": "[Y/n]: ", "no": "[y/N]: ", "": "[Y/N]: "}


def shown_question(question: Question) -> str:
    """Return a question as the terminal shows it: its text, what it is about, and the choices."""
    text = "\n".join(map(visible, keep_ends(question.text).splitlines()))
    where = [f"  ({shown_line(one)})" for one in where_asked(question)]
    lines = [f"[?] {text}", *where, *(f"  {shown_option(one)}" for one in question.options)]
    return "\n".join([*lines, *_time(question)]) + "\n"


def shown_prompt(question: Question) -> str:
    """Return what stands before the words that are typed; Enter is the default."""
    if question.kind in (QuestionKind.YES_NO, QuestionKind.CONFIRMATION):
        return _YES_NO.get(question.default.casefold(), _YES_NO[""])
    default = f" [{shown_line(question.default)}]" if question.default else ""
    return f"Select{default}: " if question.kind is QuestionKind.MULTIPLE_CHOICE else f"{default}> "


def shown_line(text: str) -> str:
    """Return words as one line of a terminal."""
    return visible(shorten(text.strip(), LONGEST_LINE))


def shown_option(option: Option) -> str:
    """Return a choice with its key, once: labels such as `[Y] Yes` show it themselves."""
    has_key = normalize_label(option.label) != option.label.strip().lower()
    if has_key and accelerator(option.label) == option.key:
        return shown_line(option.label)
    return f"[{shown_line(option.key)}] {shown_line(option.label)}"


def _time(question: Question) -> list[str]:
    """Return until when there is time, and what happens then."""
    if not question.deadline:
        return []
    until = datetime.fromisoformat(question.deadline).astimezone().strftime("%H:%M:%S")
    option = find_option(question.default, question)
    default = shown_line(option.label if option else question.default)
    return [f"  (until {until}{f', then {default}' if default else ''})"]
