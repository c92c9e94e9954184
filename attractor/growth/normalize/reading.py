"""Tells documents, desires, planner input and free text apart (ruling G4)."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

from attractor.growth.desires import PlannerInput, UserDesire, read_desires, read_planner_input
from attractor.growth.errors import InvalidDesire, InvalidSpec
from attractor.growth.plain_text import require_plain
from attractor.growth.specification.document import DOCUMENT_KEYS, graph_of
from attractor.growth.specification.graph import SpecGraph
from attractor.growth.specification.yaml_text import parse_yaml

Given: TypeAlias = SpecGraph | Sequence[UserDesire] | PlannerInput | str
"""The input of a person: a document, desires, desires for a specification, or free text."""

STRUCTURED = frozenset({".yaml", ".yml", ".json"})
"""The endings of files that contain no free text."""

_BEGINNING = re.compile(r"\s*(\{|(identity|goal|spec_graph_id|new_desires):(\s|$))")
_FORM = "write a document (identity: ...), a desire (goal: ...) or a list of desires"


def read_given(text: str, *, source: str) -> Given:
    """Read a text; it is free text unless it is YAML with keys of a document or a desire.

    A source that ends with .yaml, .yml or .json must be structured, and so must a text that begins
    like a document or a desire.
    """
    # Editors of Windows begin a file with it.
    text = text.removeprefix("\ufeff")
    is_structured = Path(source).suffix in STRUCTURED or bool(_BEGINNING.match(text))
    try:
        value = parse_yaml(text, source=source)
    except InvalidSpec:
        if is_structured:
            raise
        return free_text(text)
    if is_structured:
        return read_structured(value, source=source)
    given = _structured(value, is_structured=False, source=source)
    return free_text(text) if given is None else given


def read_structured(value: object, *, source: str) -> Given:
    """Read a document, desires or an input of the planner from JSON or parsed YAML."""
    given = _structured(value, is_structured=True, source=source)
    if given is None:
        raise InvalidSpec(f"{source}: neither a document nor a desire", hint=_FORM)
    return given


def _structured(value: object, *, is_structured: bool, source: str) -> Given | None:
    """Return a document or desires; None if a value is neither."""
    if isinstance(value, list):
        items = cast("list[object]", value)
        are_desires = is_structured or all(isinstance(item, dict) for item in items)
        return read_desires(items) if are_desires else None
    if not isinstance(value, dict):
        return None
    entry = cast("dict[str, Any]", value)
    keys = entry.keys()
    if keys & PlannerInput.model_fields.keys():
        return read_planner_input(entry)
    if "goal" in keys:
        return read_desires(entry)
    is_document = keys and (is_structured or "identity" in keys or keys <= DOCUMENT_KEYS)
    return graph_of(entry, source=source) if is_document else None


def free_text(text: str) -> str:
    """Return a free text, or raise InvalidDesire if it is empty."""
    if not text.strip():
        raise InvalidDesire("the text is empty", hint="describe what the app is for")
    require_plain(text, "the text", InvalidDesire)
    return text.strip()
