"""The disk space that runs use."""

from fastapi import APIRouter

from attractor.pipeline.disk_use import UsedSpace, read_disk_use
from attractor.server.http.records import AnswerModel
from attractor.server.http.scopes import READ, ProjectService

part = APIRouter(tags=["system"])


class UsedSpaceAnswer(AnswerModel, of=UsedSpace):
    """The bytes that a folder uses."""

    path: str


class DiskUseAnswer(AnswerModel):
    """The space that runs use, and the free and total bytes of the file system."""

    used: int
    free: int
    total: int
    folders: list[UsedSpaceAnswer]


@part.get("/api/v1/disk", dependencies=[READ])
def show_disk_use(service: ProjectService) -> DiskUseAnswer:
    """Measure the runs folder and the state folder; with many runs, this takes a while."""
    use = read_disk_use(service.project.runs_dir, service.project.machine.state_dir)
    return DiskUseAnswer.model_validate(use.to_record())
