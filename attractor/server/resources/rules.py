"""The rules that check pipelines."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path

from attractor.language.diagnostics import Severity
from attractor.language.linting.pages import read_page, read_pages
from attractor.server.http.problems import problem_statuses
from attractor.server.http.records import AnswerModel
from attractor.server.http.scopes import READ

part = APIRouter(tags=["language"], responses=problem_statuses(404))


class RuleAnswer(AnswerModel):
    """A rule: its name, severity and first sentence."""

    rule: str
    severity: Severity
    sentence: str


class RulePageAnswer(RuleAnswer):
    """The page of a rule: the reported problem, the reason, an example and the fix."""

    what: str
    why: str
    example: str
    instead: str
    text: str


@part.get("/api/v1/rules", dependencies=[READ])
def list_rules() -> list[RuleAnswer]:
    """List the rules for pipelines."""
    return [
        RuleAnswer(rule=page.rule, severity=page.severity, sentence=page.sentence)
        for page in read_pages()
    ]


@part.get("/api/v1/rules/{rule}", dependencies=[READ])
def show_rule(rule: Annotated[str, Path(max_length=200)]) -> RulePageAnswer:
    """Show the page of a rule."""
    return RulePageAnswer.model_validate(asdict(read_page(rule)))
