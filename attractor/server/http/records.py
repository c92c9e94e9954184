"""Types that the records of several resources share."""

from dataclasses import fields
from typing import Annotated, Any, Unpack

from fastapi import Query
from pydantic import BaseModel, ConfigDict

JsonRecord = dict[str, Any]
Since = Annotated[
    str,
    Query(max_length=100, description="A time such as 2026-01-31T09:30, or an age such as 10m."),
]
Name = Annotated[str, Query(max_length=200)]


class AnswerModel(BaseModel):
    """An answer that has exactly the fields of the record on the command line.

    `class Answer(AnswerModel, of=Record)` has the fields of a dataclass, all required and in its
    order. Only those with a description, or with another type in JSON, are declared again.
    """

    model_config = ConfigDict(extra="forbid")

    def __init_subclass__(cls, *, of: type[Any] | None = None, **config: Unpack[ConfigDict]):
        super().__init_subclass__(**config)
        if of:
            own = cls.__annotations__
            cls.__annotations__ = {field.name: field.type for field in fields(of)} | own
