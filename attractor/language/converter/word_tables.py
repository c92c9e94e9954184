"""Names in other tools (fabro, kilroy, brynary, samueljklee, amplifier), with their conversions."""

import re
from collections.abc import Mapping, Sequence

from attractor.base.dataclasses import dataclass
from attractor.language.conditions.condition import CANONICAL_OUTCOMES, OUTCOMES as OUR_OUTCOMES

MEANINGLESS = frozenset({"is_codergen", "node_type", "provenance_version"})
"""Attributes of other tools that repeat the shape or name the origin of the file."""

SUPERSEDED: Mapping[str, str] = {
    "max_agent_turns": "timeout and the budgets of the run bound a stage"
}
"""Attributes of other tools that are removed, because others do the same."""

TYPES: Mapping[str, str] = {
    "agent": "codergen",
    "agent_loop": "codergen",
    "prompt": "codergen",
    "one_shot": "codergen",
    "command": "tool",
    "human": "wait.human",
    "fan_in": "parallel.fan_in",
    "manager": "stack.manager_loop",
    "stack.observe": "codergen",
    "stack.steer": "codergen",
}
"""Node types of other tools, with their names in Attractor."""

SHAPES: Mapping[str, tuple[str, str]] = {
    "tab": ("box", "in Attractor, the stage can use tools"),
    "circle": ("Mdiamond", "the shape of the start"),
    "doublecircle": ("Msquare", "the shape of the exit"),
}
"""Shapes of other tools, with the equivalent shape and a note."""

OUTCOMES: Mapping[str, str] = {
    **CANONICAL_OUTCOMES,
    "ok": "success",
    "error": "fail",
    "partialsuccess": "partial_success",
    "degraded_success": "partial_success",
    "degradedsuccess": "partial_success",
}
"""Outcomes of other tools, with the equivalent outcome."""

VARIABLES: Mapping[str, str] = {
    "KILROY_STAGE_STATUS_PATH": "ATTRACTOR_STATUS_FILE",
    "KILROY_STAGE_STATUS_FALLBACK_PATH": "ATTRACTOR_STATUS_FILE",
}
"""Variables of other tools in prompts and commands, with their names in Attractor."""

NO_TYPE: Mapping[str, str] = {
    "loop.begin": "draw the loop with edges and limit it with max_visits",
    "loop.end": "draw the loop with edges and bound it with max_visits",
    "concurrent.split": "use shape=component, whose branches meet at shape=tripleoctagon",
    "concurrent.join": "use shape=component, whose branches meet at shape=tripleoctagon",
    "sub_pipeline": 'write type="import" with file="..."',
}
"""Unsupported node types, with a replacement."""

NO_SHAPE: Mapping[str, str] = {
    "insulator": 'write type="wait" with duration="30s"',
    "folder": 'write type="pipeline" with file="..."',
    "trapezium": NO_TYPE["loop.begin"],
    "invtrapezium": NO_TYPE["loop.end"],
    "pentagon": NO_TYPE["concurrent.split"],
    "cylinder": NO_TYPE["concurrent.join"],
}
"""Shapes of unsupported node types, with a replacement."""

NO_KEY: Mapping[str, str] = {
    "context.internal.node_visit_count": "bound the visits with max_visits",
    "internal.node_visit_count": "bound the visits with max_visits",
    "codergen.": "make the stage report an outcome or a preferred label",
    "tool.": "use the outcome: a command fails if its exit status is not 0",
}
"""Context keys, or prefixes of keys, that are never set in Attractor, with a replacement."""

OUR_KEYS = frozenset({"tool.output"})
"""Supported keys that begin with a prefix in NO_KEY."""

# In a quoted attribute, quotes and backslashes are escaped by a backslash.
_CLAUSE = re.compile(
    r"""(?P<key>[A-Za-z_][\w.]*)
    (?: (?P<operator>\s*!?=\s*) (?P<quote>(?:\\")?) (?P<word>[A-Za-z_][\w-]*) (?P=quote) )?
    | \\" (?: [^"\\] | \\\\ (?: \\. | [^"\\] ) | \\ [^"\\] )* \\" """,
    re.VERBOSE | re.DOTALL,
)
_NO_LABEL = "use outcome=fail: a command fails if its exit status is not 0; or match tool.output"
_OUTCOME = frozenset({"outcome", "context.outcome"})
_LAST_LINE = frozenset({"tool.last_line", "context.tool.last_line"})
_CLASS = frozenset({"failure_class", "context.failure_class"})
# A quoted literal, with escaped quotes, or one word.
_CONTAINS_NOT = re.compile(r'(?P<key>[A-Za-z_][\w.]*)\s*!contains\s*(?P<word>\\".*?\\"|[^\s&|)"]+)')


@dataclass(frozen=True)
class ConvertedCondition:
    """A converted condition, its changes, and the keys without an equivalent."""

    text: str
    changed: Sequence[str]
    left: Sequence[tuple[str, str]]


def convert_condition(written: str, *, has_labels: bool = True) -> ConvertedCondition:
    """Convert the text of a quoted condition, including escapes.

    An unknown outcome, and a class of failures, was chosen by the stage; it is converted to a
    preferred label, unless the stage chooses no labels.
    """
    pieces: list[str] = []
    changed = [
        f"!contains by !({found['key']} contains ...)" for found in _CONTAINS_NOT.finditer(written)
    ]
    written = _CONTAINS_NOT.sub(r"!(\g<key> contains \g<word>)", written)
    left: list[tuple[str, str]] = []
    at = 0
    for found in _CLAUSE.finditer(written):
        key, word = found["key"], found["word"]
        if key in _LAST_LINE and word:
            ours = f'context.tool.output matches \\"(?m:^){word}$\\"'
            ours = f"!({ours})" if "!" in found["operator"] else ours
            pieces += [written[at : found.start()], ours]
            at = found.end()
            changed.append(f"{key}={word} by a match of the last line of tool.output")
        elif word and (key in _CLASS or (key in _OUTCOME and word not in OUR_OUTCOMES)):
            plain = word.lower().replace("-", "_")
            ours = plain if plain in OUR_OUTCOMES else OUTCOMES.get(plain, "")
            if key not in _OUTCOME:
                ours = ""
            if not (ours or has_labels or "!" in found["operator"]):
                left.append((f"{key}={word} never holds: a command does not choose it", _NO_LABEL))
                continue
            our_key, our_word = (key, ours) if ours else ("preferred_label", word)
            pieces += [written[at : found.start()], our_key, found["operator"]]
            pieces += [found["quote"], our_word, found["quote"]]
            at = found.end()
            changed.append(f"{key}={word} by {our_key}={our_word}")
        elif key and (advice := _advice(key)):
            left.append((f"unknown key {key}: Attractor does not set it", advice))
    return ConvertedCondition("".join([*pieces, written[at:]]), changed, left)


def _advice(key: str) -> str:
    if key in OUR_KEYS:
        return ""
    beginnings = (
        advice for start, advice in NO_KEY.items() if start[-1] == "." and key.startswith(start)
    )
    return NO_KEY.get(key, "") or next(beginnings, "")
