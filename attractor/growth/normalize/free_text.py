"""Turns free text into a specification with a model that must quote the text (ruling G4).

The answer has the form of a document, and each entry has a `quote`. An entry whose quote is not in
the text is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from attractor.base.json import Json, JsonObject
from attractor.growth.desires import UserDesire, read_desire
from attractor.growth.errors import InvalidSpec
from attractor.growth.model_answers import ModelAnswer, ask_model
from attractor.growth.normalize.structured import add_desires
from attractor.growth.specification.clarifications import without_questions
from attractor.growth.specification.document import IDENTITY, SCALARS, SECTIONS, graph_of
from attractor.growth.specification.graph import ROOT, Author, Provenance, SpecGraph
from attractor.growth.specification.node_kind import NodeKind, kinds_in
from attractor.pipeline.project.project import Project

T = TypeVar("T")

_INSTRUCTION = Path(__file__).with_suffix(".md")
_MOST_FAULTS = 10


async def normalize_text(text: str, project: Project) -> SpecGraph:
    """Return the first specification of an app from free text."""
    answer = await _ask(text, project, document_schema(), lambda given: _read_graph(given, text))
    graph, [desire] = add_desires(answer.value, [UserDesire(goal=text.strip())])
    signed = Provenance(Author.MODEL, desire, model=answer.model, prompt_hash=answer.prompt_hash)
    return graph.replace(
        *(
            replace(node, provenance=replace(signed, words=node.provenance.words))
            for node in graph.values()
            if node.id != desire and node.provenance.words
        )
    )


async def add_text(
    base: SpecGraph, text: str, project: Project
) -> tuple[SpecGraph, tuple[str, ...]]:
    """Return a specification with the desires of a free text, and the ids of their nodes."""
    answer = await _ask(text, project, desires_schema(), lambda given: _read_desires(given, text))
    graph, signed = base, Provenance(Author.MODEL, model=answer.model)
    signed = replace(signed, prompt_hash=answer.prompt_hash)
    ids: list[str] = []
    for desire, words in answer.value.items():
        graph, [id_] = add_desires(graph, [desire])
        ids.append(id_)
        if id_ not in base:
            provenance = replace(signed, desire=id_, words=words)
            graph = graph.replace(replace(graph[id_], provenance=provenance))
    return graph, tuple(ids)


async def _ask(
    text: str, project: Project, schema: JsonObject, read: Callable[[JsonObject], T]
) -> ModelAnswer[T]:
    instruction = _INSTRUCTION.read_text("utf-8")
    data = {"text of the user": text}
    return await ask_model(project, instruction, data, schema, read, purpose="the specification")


def _read_graph(answer: JsonObject, text: str) -> SpecGraph:
    value, quotes = unquoted(answer)
    require_quotes(quotes, text)
    return graph_of(
        value, source="answer", quotes={quote.place: quote.words for quote in quotes if quote.words}
    )


def _read_desires(answer: JsonObject, text: str) -> Mapping[UserDesire, str]:
    """Return desires with the words that each goal rests on."""
    value, quotes = unquoted(answer)
    require_quotes(quotes, text)
    words = {quote.place: quote.words for quote in quotes}
    found = cast("list[object]", cast("Any", value)["desires"])
    if not found:
        raise InvalidSpec("desires: the list is empty", hint="the text contains a wish")
    return {
        read_desire(one, place=f"desires[{n}]"): words[f"desires[{n}].goal"]
        for n, one in enumerate(found)
    }


class Quote(NamedTuple):
    """The words of the text on which an entry of an answer rests."""

    place: str
    entry: str
    words: str


def unquoted(answer: object, place: str = "") -> tuple[Json, list[Quote]]:
    """Return an answer in the form of a document, and the quotes in it."""
    if isinstance(answer, list):
        items = [
            unquoted(one, f"{place}[{n}]") for n, one in enumerate(cast("list[object]", answer))
        ]
        return [one for one, _ in items], [quote for _, quotes in items for quote in quotes]
    if not isinstance(answer, dict):
        return cast("Json", answer), []
    given = cast("dict[str, object]", answer)
    rest: dict[str, Json] = {}
    found: list[Quote] = []
    for key, one in given.items():
        if key != "quote":
            rest[key], quotes = unquoted(one, f"{place}.{key}".lstrip("."))
            found += quotes
    if "quote" in given:
        entry = next((str(rest[one]) for one in ("text", "name") if one in rest), "")
        found.append(Quote(place, entry, str(given["quote"])))
    # An entry that was a text with a quote is a plain text in a document.
    return (rest["text"] if set(rest) == {"text"} else rest), found


def require_quotes(quotes: list[Quote], text: str) -> None:
    """Raise InvalidSpec unless the words of all entries are in the text.

    White space may differ. An open question about something that the text does not mention needs no
    words.
    """
    flat = " ".join(text.split())
    faults: list[str] = []
    for quote in quotes:
        words = " ".join(quote.words.split())
        if not words and without_questions(quote.entry):
            faults.append(f"{quote.place}: missing quote for {quote.entry!r}")
        elif words not in flat:
            faults.append(f"{quote.place}: the words {words!r} are not in the text")
    if faults:
        hint = "copy the words exactly from the text, or leave the entry out"
        raise InvalidSpec("; ".join(faults[:_MOST_FAULTS]), hint=hint)


_WORDS: JsonObject = {"type": "string", "minLength": 1}
_QUOTE: JsonObject = {"type": "string", "description": "words copied from the text"}


def _object(properties: Mapping[str, Json], *required: str) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list[Json](required),
        "additionalProperties": False,
    }


def _list(item: Mapping[str, Json]) -> dict[str, Json]:
    return {"type": "array", "items": dict(item)}


def _line() -> dict[str, Json]:
    return _object({"text": dict(_WORDS), "quote": dict(_QUOTE)}, "text", "quote")


def _entry(name: str, kind: NodeKind) -> dict[str, Json]:
    """Return the schema of an entry."""
    properties: dict[str, Json] = {kind.label: dict(_WORDS), "quote": dict(_QUOTE)}
    for key, allowed in kind.fields.items():
        properties[key] = {"type": "string", **({"enum": list[Json](allowed)} if allowed else {})}
    for key in (*sorted(kind.lists), *kind.relations):
        properties[key] = _list(_WORDS)
    for inner, one in kinds_in(name).items():
        properties[one.key] = _list(_entry(inner, one))
    return _object(properties, kind.label, "quote")


def document_schema() -> dict[str, Json]:
    """Return the schema of a document whose entries have quotes; it has no desires."""
    lines = {one: _list(_line()) for one in IDENTITY if one != "purpose"}
    identity = _object({"purpose": _line(), **lines}, "purpose")
    properties: dict[str, Json] = {"identity": identity}
    for section, keys in SECTIONS.items():
        content: dict[str, Json] = {key: _line() for key in keys if key in SCALARS}
        content |= {one.key: _list(_entry(name, one)) for name, one in kinds_in(section).items()}
        properties[section] = _object(content)
    for name, kind in kinds_in(ROOT).items():
        if name != "desire":
            properties[kind.key] = _list(_entry(name, kind))
    return _object(properties, "identity")


def desires_schema() -> dict[str, Json]:
    """Return the schema of desires whose words have quotes."""
    properties: dict[str, Json] = {
        name: _line() if field.annotation is str else _list(_line())
        for name, field in UserDesire.model_fields.items()
    }
    return _object({"desires": _list(_object(properties, "goal"))}, "desires")
