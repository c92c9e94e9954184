"""Tables of other tools' words (fabro, kilroy, brynary and samueljklee) and their conversions."""

import re
from collections.abc import Mapping, Sequence

from attractor.base.dataclasses import dataclass

MEANINGLESS = frozenset({"is_codergen", "node_type", "provenance_version"})
"""Attributes that say what the shape says already, or where the file came from."""

TYPES: Mapping[str, str] = {
    "agent": "codergen",
    "agent_loop": "codergen",
    "prompt": "codergen",
    "one_shot": "codergen",
    "command": "tool",
    "human": "wait.human",
    "fan_in": "parallel.fan_in",
    "manager": "stack.manager_loop",
}
"""Node types that only have another name here."""

SHAPES: Mapping[str, tuple[str, str]] = {
    "tab": ("box", "the stage has tools here, not one model call alone"),
    "circle": ("Mdiamond", "the start"),
    "doublecircle": ("Msquare", "the exit"),
}
"""Shapes that are others here, and what to know about it."""

OUTCOMES: Mapping[str, str] = {
    "succeeded": "success",
    "ok": "success",
    "failed": "fail",
    "failure": "fail",
    "error": "fail",
    "partially_succeeded": "partial_success",
    "partialsuccess": "partial_success",
    "degraded_success": "partial_success",
    "degradedsuccess": "partial_success",
}
"""Words for outcomes in conditions."""

OUR_OUTCOMES = frozenset({"success", "partial_success", "retry", "fail", "skipped"})

VARIABLES: Mapping[str, str] = {"KILROY_STAGE_STATUS_PATH": "ATTRACTOR_STATUS_FILE"}
"""Variables that prompts and commands name, which only have another name here."""

NO_TYPE: Mapping[str, str] = {
    "wait": 'write type="tool" with tool_command="sleep 30"',
    "loop.begin": "draw the loop with edges and bound it with max_visits",
    "loop.end": "draw the loop with edges and bound it with max_visits",
    "concurrent.split": "use shape=component, whose branches meet at shape=tripleoctagon",
    "concurrent.join": "use shape=component, whose branches meet at shape=tripleoctagon",
    "sub_pipeline": 'write type="import" with file="..."',
}
"""Node types that are not there, and what to write instead."""

NO_SHAPE: Mapping[str, str] = {
    "insulator": NO_TYPE["wait"],
    "trapezium": NO_TYPE["loop.begin"],
    "invtrapezium": NO_TYPE["loop.end"],
    "pentagon": NO_TYPE["concurrent.split"],
    "cylinder": NO_TYPE["concurrent.join"],
}
"""Shapes that stand for a type that is not there."""

NO_KEY: Mapping[str, str] = {
    "context.failure_class": "a failure that trying again can help is tried again by max_retries",
    "context.internal.node_visit_count": "bound the visits with max_visits",
    "internal.node_visit_count": "bound the visits with max_visits",
    "codergen.": "let the stage report an outcome or a preferred label",
    "tool.": "go by the outcome: a command that ends with another code than 0 fails",
}
"""Keys of conditions, or their beginnings, that nothing here writes."""

OUR_KEYS = frozenset({"tool.output"})
"""Keys that begin as one of those and are there."""

# Within the quotes of an attribute, quotes and backslashes have a backslash before them.
_CLAUSE = re.compile(
    r"""(?P<key>[A-Za-z_][\w.]*)
    (?: (?P<operator>\s*!?=\s*) (?P<quote>(?:\\")?) (?P<word>[A-Za-z_][\w-]*) (?P=quote) )?
    | \\" (?: [^"\\] | \\\\ (?: \\. | [^"\\] ) | \\ [^"\\] )* \\" """,
    re.VERBOSE | re.DOTALL,
)
_OUTCOME = frozenset({"outcome", "context.outcome"})


@dataclass(frozen=True)
class ConvertedCondition:
    """A condition as it is written here, what changed in it, and what could not be changed."""

    text: str
    changed: Sequence[str]
    left: Sequence[tuple[str, str]]


def convert_condition(written: str) -> ConvertedCondition:
    """Convert a condition as it stands between its quotes.

    An outcome that is no outcome here is a way out of the stage's own naming: a preferred label.
    """
    pieces: list[str] = []
    changed: list[str] = []
    left: list[tuple[str, str]] = []
    at = 0
    for found in _CLAUSE.finditer(written):
        key, word = found["key"], found["word"]
        if key in _OUTCOME and word and word not in OUR_OUTCOMES:
            ours = _outcome(word)
            our_key, our_word = (key, ours) if ours else ("preferred_label", word)
            pieces += [written[at : found.start()], our_key, found["operator"]]
            pieces += [found["quote"], our_word, found["quote"]]
            at = found.end()
            changed.append(f"{key}={word} is {our_key}={our_word}")
        elif key and (advice := _advice(key)):
            left.append((f"nothing here writes {key}", advice))
    return ConvertedCondition("".join([*pieces, written[at:]]), changed, left)


def _outcome(word: str) -> str:
    """Return our word for an outcome; nothing for one that a tool made up."""
    plain = word.lower().replace("-", "_")
    return plain if plain in OUR_OUTCOMES else OUTCOMES.get(plain, "")


def _advice(key: str) -> str:
    if key in OUR_KEYS:
        return ""
    beginnings = (
        advice for start, advice in NO_KEY.items() if start[-1] == "." and key.startswith(start)
    )
    return NO_KEY.get(key, "") or next(beginnings, "")
