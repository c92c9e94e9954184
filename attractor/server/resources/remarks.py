"""Remarks on lines of dimensions over HTTP: written one by one, sent to an actor as one message."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field, StrictInt

from attractor.base.records import write_fields
from attractor.factory.dimensions import DimensionRecords
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel
from attractor.server.http.scopes import OPERATE, READ, Calling, PathProjectService
from attractor.server.processes.bodies import Body, Word, Words
from attractor.server.resources.worlds import (
    SAYS_SOMETHING,
    MessageAnswer,
    SenderAnswer,
    actor_of,
    sender_of,
    taken,
)
from attractor.server.service import Service
from attractor.worlds.orders import dimension_of
from attractor.worlds.remarks import Remark, Remarks

part = APIRouter(tags=["worlds"], responses=problem_statuses(400, 404, 409))

REMARKS = "/api/v1/dimensions/{project}/{name}/remarks"


class RemarkAnswer(AnswerModel):
    """A remark on a line of a dimension, at its line now."""

    id: str
    file: str
    line: int
    quoted: str = Field(description="The content of the line when the remark was written.")
    text: str
    author: SenderAnswer
    written: datetime
    stale: bool = Field(description="Whether the line was changed or removed since.")


class RemarkBody(Body):
    """A remark to write."""

    file: Word = Field(description="A path in the folder of the dimension.")
    line: StrictInt = Field(ge=1, description="The number of a line of the file as it is now.")
    text: Words = Field(json_schema_extra=SAYS_SOMETHING)


def _remarks(service: Service, name: str) -> Remarks:
    return Remarks(service.opened, DimensionRecords.of(service.opened).find(name))


def _answer(remark: Remark) -> RemarkAnswer:
    return RemarkAnswer.model_validate(write_fields(remark, is_stale="stale"))


@part.get(REMARKS, dependencies=[READ])
def list_remarks(service: PathProjectService, name: str) -> list[RemarkAnswer]:
    """List the remarks on a dimension that are not sent yet, by file and line."""
    return [_answer(one) for one in _remarks(service, name).read()]


@part.post(REMARKS, status_code=201, dependencies=[OPERATE])
def write_remark(
    service: PathProjectService, caller: Calling, name: str, body: RemarkBody
) -> RemarkAnswer:
    """Write a remark on a line of a dimension."""
    remarks = _remarks(service, name)
    return _answer(remarks.add(body.file, body.line, body.text, sender_of(caller)))


@part.delete(f"{REMARKS}/{{remark}}", status_code=204, dependencies=[OPERATE])
def delete_remark(service: PathProjectService, name: str, remark: str) -> None:
    """Remove a remark."""
    _remarks(service, name).remove(remark)


@part.post("/api/v1/actors/{project}/{name}/remarks", status_code=201, dependencies=[OPERATE])
def send_remarks(service: PathProjectService, caller: Calling, name: str) -> MessageAnswer:
    """Send the remarks on the dimension of an actor to it as one message, and remove them."""
    actor = actor_of(service, name)
    remarks = Remarks(service.opened, dimension_of(actor, service.opened))
    return taken(remarks.send(actor, sender_of(caller)))
