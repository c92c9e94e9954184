"""Queues of promotions over HTTP: the runs that wait to land on a branch."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from attractor.factory.operations.queue import explain_queues
from attractor.server.http.records import JsonRecord
from attractor.server.http.scopes import IN_TURN, READ, ProjectService

part = APIRouter(tags=["queues"])

Branch = Annotated[str, Query(max_length=1000, description="The branch (default: all).")]


@part.get("/api/v1/queues", dependencies=[READ, IN_TURN])
def list_queued(service: ProjectService, branch: Branch = "") -> list[JsonRecord]:
    """List the runs that wait to land on a branch, in their order, and why each one waits."""
    return [shown.to_record() for shown in asyncio.run(explain_queues(service.opened, branch))]
