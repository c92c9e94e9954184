"""Finds other tools' words within conditions, stylesheets, prompts and commands."""

import re
from collections.abc import Iterator

from attractor.language.converting.around import Around
from attractor.language.converting.conditions import convert_condition
from attractor.language.converting.foreign_words import STYLE_PROPERTIES, VARIABLES
from attractor.language.converting.lists import AttributeList
from attractor.language.diagnostics import Diagnostic, Edit, info, warning
from attractor.language.values import Attribute, ValueKind
from attractor.language.wording import quote

_STYLE = re.compile(r"(?<=[{;\s])(model|provider)(?=\s*:)")
_VARIABLE = re.compile(r"\$\{?(KILROY_[A-Z0-9_]+)")
_GOAL = re.compile(r"\$\{goal\}|\{\{\s*(?:graph\.)?goal\s*\}\}")
_INPUT = re.compile(r"\{\{\s*(inputs\.\w+)\s*\}\}")
_TEMPLATE = re.compile(r"\$\{[a-z][\w.]*\}|\{\{[^{}\n]*\}\}")


def look_at_condition(
    around: Around, attributes: AttributeList, attribute: Attribute
) -> Iterator[Diagnostic]:
    """Yield the words for outcomes, and the keys that nothing here writes."""
    if attribute.value.kind is not ValueKind.STRING:
        return
    written, span = around.written(attribute), attribute.value.span
    converted = convert_condition(written)
    for message, fix in converted.left:
        yield warning(message, span, fix=fix)
    if converted.changed:
        yield info("; ".join(converted.changed), span, edits=(Edit(span, converted.text),))


def look_at_stylesheet(
    around: Around, attributes: AttributeList, attribute: Attribute
) -> Iterator[Diagnostic]:
    """Yield the properties that have another name."""
    written, span = around.written(attribute), attribute.value.span
    found = dict.fromkeys(_STYLE.findall(written))
    if found:
        told = "; ".join(f"{one} is {STYLE_PROPERTIES[one]}" for one in found)
        text = _STYLE.sub(lambda one: STYLE_PROPERTIES[one[1]], written)
        yield info(f"in the stylesheet {told}", span, edits=(Edit(span, text),))


def look_at_command(
    around: Around, attributes: AttributeList, attribute: Attribute
) -> Iterator[Diagnostic]:
    """Yield the variables that another tool sets."""
    written, span = around.written(attribute), attribute.value.span
    named = dict.fromkeys(_VARIABLE.findall(written))
    known = [one for one in named if one in VARIABLES]
    if known:
        told = "; ".join(f"${one} is ${VARIABLES[one]}" for one in known)
        text = _VARIABLE.sub(_renamed, written)
        yield info(told, span, edits=(Edit(span, text),))
    for one in named:
        if one not in VARIABLES:
            yield warning(f"nothing here sets ${one}", span, fix="write a name of your own")


def look_at_prompt(
    around: Around, attributes: AttributeList, attribute: Attribute
) -> Iterator[Diagnostic]:
    """Yield what another tool puts into a prompt, and the variables in it."""
    written, span = around.written(attribute), attribute.value.span
    text = _INPUT.sub(r"${\1}", _GOAL.sub("$goal", written))
    if text != written:
        message = "of what is put into a prompt, $goal and ${inputs.NAME} are written so"
        yield info(message, span, edits=(Edit(span, text),))
        return
    yield from look_at_command(around, attributes, attribute)
    for one in dict.fromkeys(_TEMPLATE.findall(written)):
        if not one.startswith("${inputs."):
            fix = "only $goal and ${inputs.NAME} are put in: say in words what is meant"
            yield warning(f"nothing is put in for {quote(one)}", span, fix=fix)


def _renamed(found: re.Match[str]) -> str:
    return found[0].replace(found[1], VARIABLES.get(found[1], found[1]))
