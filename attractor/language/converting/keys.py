"""Finds the attributes that have another name here, or none."""

from collections.abc import Iterator

from attractor.language.attributes import Place
from attractor.language.converting.around import between, end_of
from attractor.language.converting.foreign_words import MEANINGLESS, NO_ATTRIBUTE, RENAMED
from attractor.language.converting.lists import AttributeList
from attractor.language.diagnostics import Diagnostic, Edit, info, warning
from attractor.language.values import Attribute, quoted
from attractor.language.words import written_word


def look_at_keys(attributes: AttributeList) -> Iterator[Diagnostic]:
    """Yield what is to be changed in the keys of a list, and what cannot be."""
    for at, attribute in enumerate(attributes.attributes):
        key, span = attribute.key, attribute.span
        ours = RENAMED.get((attributes.place, key), "")
        if ours and attributes.has(ours):
            yield _stands_there_too(attribute, ours)
        elif ours:
            yield info(f"{key} is {ours}", span, edits=(Edit(span, written_word(ours)),))
        elif key in _SPECIAL and attributes.place is Place.NODE:
            yield _special(attributes, attribute)
        elif key in MEANINGLESS:
            yield _taken_away(attributes, at)
        elif key in NO_ATTRIBUTE:
            yield warning(f"nothing here corresponds to {key}", span, fix=NO_ATTRIBUTE[key])


_SPECIAL = frozenset({"import", "prompt_file"})


def _special(attributes: AttributeList, attribute: Attribute) -> Diagnostic:
    """Change an attribute whose value is written in another way too."""
    span, value = attribute.span, attribute.value
    if attribute.key == "import":
        edits = (Edit(span, 'type="import", file'),)
        return info('import is type="import" with file', span, edits=edits)
    if attributes.has("prompt"):
        return _stands_there_too(attribute, "prompt")
    named = quoted(f"@{value}")
    edits = (Edit(span, "prompt"), Edit(value.span, named))
    return info(f"prompt_file is prompt={named}", span, edits=edits)


def _stands_there_too(attribute: Attribute, ours: str) -> Diagnostic:
    message = f"{attribute.key} is {ours}, which stands there too"
    return warning(message, attribute.span, fix="keep one of them")


def _taken_away(attributes: AttributeList, at: int) -> Diagnostic:
    """Take an attribute away with what stands before the next one; lines stay lines."""
    every, attribute = attributes.attributes, attributes.attributes[at]
    message = f"{attribute.key} means nothing here"
    if len(every) == 1:
        return warning(message, attribute.span, fix="take it away")
    if at + 1 < len(every):
        span = between(attribute.span, every[at + 1].span)
    else:
        span = between(end_of(every[at - 1].value.span), end_of(attribute.value.span))
    return info(message, attribute.span, edits=(Edit(span, "\n" * (span.end_line - span.line)),))
