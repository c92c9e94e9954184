"""Types that the records of several resources share."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, ConfigDict

JsonRecord = dict[str, Any]
Since = Annotated[
    str,
    Query(max_length=100, description="A time such as 2026-01-31T09:30, or an age such as 10m."),
]
Name = Annotated[str, Query(max_length=200)]


class AnswerModel(BaseModel):
    """An answer that has exactly the fields of the record on the command line."""

    model_config = ConfigDict(extra="forbid")
