"""Pages of long lists, with cursors that name the position where the next page begins."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from attractor.base.errors import NotCanonical, UsageError
from attractor.base.json import Json, canonical_json, parse_json

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=500, description="The most items of this page.")]
_FORM = re.compile(r"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3})?")
Cursor = Annotated[
    str,
    Query(
        max_length=1000,
        description="`next` of the page before.",
        json_schema_extra={"pattern": f"^{_FORM.pattern}$"},
    ),
]
DEFAULT_LIMIT = 50
"""The number of items of a page (default)."""


class Page(BaseModel, Generic[T]):
    """A part of a long list."""

    items: list[T]
    next: str = Field(default="", description="The cursor of the next page; empty on the last.")


def write_cursor(position: Json) -> str:
    """Return the cursor for a position in a list."""
    return urlsafe_b64encode(canonical_json(position).encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> Json:
    """Return the position that a cursor names; None for an empty one."""
    if not cursor:
        return None
    if not _FORM.fullmatch(cursor):
        raise invalid_cursor()
    try:
        return parse_json(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, NotCanonical) as cause:
        raise invalid_cursor() from cause


def read_number(cursor: str) -> int:
    """Return the number that a cursor names; 0 for an empty one."""
    match read_cursor(cursor):
        case None:
            return 0
        case bool():
            raise invalid_cursor()
        case int(number) if 0 <= number < 1 << 63:
            return number
        case _:
            raise invalid_cursor()


def read_text(cursor: str) -> str:
    """Return the text that a cursor names; empty for an empty one."""
    match read_cursor(cursor):
        case None:
            return ""
        case str(text):
            return text
        case _:
            raise invalid_cursor()


def invalid_cursor() -> UsageError:
    """Return the error about a cursor of another list."""
    return UsageError("invalid cursor", hint="pass `next` of the page before")
