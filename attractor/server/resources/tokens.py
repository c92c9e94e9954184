"""The tokens of callers; they are created and revoked on the command line only."""

from fastapi import APIRouter
from pydantic import Field

from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel
from attractor.server.http.scopes import ALL_PROJECTS, DECIDE, ServerService

part = APIRouter(tags=["tokens"], responses=problem_statuses(409))


class TokenAnswer(AnswerModel):
    """A token, without its secret."""

    name: str
    scope: str
    created: str
    by: str
    projects: list[str] = Field(description="The ids of its projects; empty for all.")


@part.get("/api/v1/tokens", dependencies=[DECIDE, ALL_PROJECTS])
def list_tokens(service: ServerService) -> list[TokenAnswer]:
    """List names, scopes and authors of all tokens."""
    found = service.access.tokens.list()
    return [TokenAnswer.model_validate(one.to_record()) for one in found]
