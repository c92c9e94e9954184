"""The version of the program."""

from fastapi import APIRouter
from pydantic import BaseModel

from attractor.server.http.scopes import READ, ProjectService

part = APIRouter(tags=["system"])


class Version(BaseModel):
    """The running program."""

    version: str
    project: str


@part.get("/api/v1/version", dependencies=[READ])
def read_version(service: ProjectService) -> Version:
    """Show the version of the program, and the folder of the project."""
    return Version(version=service.project.machine.version, project=str(service.project.root))
