"""Answers with the fields of a record."""

from collections.abc import Sequence

import pytest
from pydantic import Field, ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.records import write_fields
from attractor.server.http.records import AnswerModel


@dataclass(frozen=True)
class Book:
    title: str
    pages: int = 0
    authors: Sequence[str] = ()


class BookAnswer(AnswerModel, of=Book):
    """A book."""

    pages: int = Field(description="Without the cover.")
    shelf: str


def test_answer_has_the_fields_of_a_record_in_its_order_and_requires_them() -> None:
    schema = BookAnswer.model_json_schema()
    assert schema["required"] == [*schema["properties"]] == ["title", "pages", "authors", "shelf"]
    assert schema["properties"]["pages"]["description"] == "Without the cover."
    record = {**write_fields(Book("Emma", authors=["Austen"])), "shelf": "A"}
    assert BookAnswer.model_validate(record).model_dump() == record
    for wrong in ({**record, "more": 1}, {"title": "Emma"}, {**record, "authors": "Austen"}):
        with pytest.raises(ValidationError):
            BookAnswer.model_validate(wrong)
